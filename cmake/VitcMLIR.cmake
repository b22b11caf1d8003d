# LLVM and MLIR 22 as Debian packages them: shared libraries, RTTI on, assertions off.
list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
find_package(MLIR 22 REQUIRED CONFIG)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
find_package(LLD REQUIRED CONFIG)

add_library(vitc_mlir INTERFACE)
target_include_directories(vitc_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_link_libraries(vitc_mlir INTERFACE MLIR LLVM vitc_options)

# TableGen output goes to the build tree under the source's own folder, so that includes read the same in both.
function(vitc_tablegen td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  foreach(pair ${ARGN})
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 output)
    list(SUBLIST pair 1 -1 flags)
    mlir_tablegen(${output} ${flags} EXTRA_INCLUDES ${CMAKE_SOURCE_DIR})
  endforeach()
endfunction()
