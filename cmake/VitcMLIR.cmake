# LLVM and MLIR 22 as Debian packages them: shared libraries, RTTI on, assertions off.
list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "LLVM ${LLVM_VERSION} in ${LLVM_DIR} is not supported: MLIR 22 is expected (apt.llvm.org, libmlir-22-dev)")
endif()
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
find_package(LLD REQUIRED CONFIG)

add_library(vitc_mlir INTERFACE)
target_include_directories(vitc_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_link_libraries(vitc_mlir INTERFACE MLIR LLVM vitc_options)

# vitc_tablegen(FILE.td OUTPUT=FLAG[=FLAG...]...): makes the target FILEIncGen. Output goes to the build tree under the source's own folder, so that includes
# read the same in both.
function(vitc_tablegen td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  foreach(pair ${ARGN})
    string(REPLACE "=" ";" flags ${pair})
    list(POP_FRONT flags output)
    mlir_tablegen(${output} ${flags} EXTRA_INCLUDES ${CMAKE_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  endforeach()
  get_filename_component(name ${td} NAME_WE)
  add_public_tablegen_target(${name}IncGen)
endfunction()
