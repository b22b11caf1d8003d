# Language level, warnings, output folders, sanitizers: what every target of the project shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
include(GNUInstallDirs)
find_package(Threads REQUIRED)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# A copy of vit-run for other machines (scripts/make_kit.sh): what it needs besides libc, which finds the GPU's driver, it holds.
if(VITC_PORTABLE)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  # libgcc_s.so.1 is on every system, and its archive wants this libc's newest functions; so does what nobody calls of libstdc++'s.
  add_link_options(-static-libstdc++ -Wl,--gc-sections)
endif()

# Every target of the project links this.
add_library(vitc_options INTERFACE)
target_compile_options(vitc_options INTERFACE -Wall -Wextra -Werror -Wno-unused-parameter -Wnon-virtual-dtor)
target_include_directories(vitc_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_definitions(vitc_options INTERFACE VITC_VERSION="${PROJECT_VERSION}")
if(VITC_SANITIZE)
  add_compile_options(-fsanitize=${VITC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${VITC_SANITIZE})
endif()

# vitc_library(NAME source... [LINK libraries...]): a static library of one folder.
function(vitc_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC vitc_options ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()
