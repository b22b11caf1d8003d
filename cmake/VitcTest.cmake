# Unit tests (GoogleTest) and lit suites, all of them run by one `ctest`.
find_package(GTest REQUIRED)
include(GoogleTest)

set(VITC_SHARED "${CMAKE_SOURCE_DIR}/../shared" CACHE PATH "Folder of optional test data; tests that want it skip where it is absent")

# vitc_unit_test(NAME source... [LINK libraries...] [TIMEOUT seconds]): an executable of GoogleTest cases, each of them a test of ctest
# (120 seconds by default).
function(vitc_unit_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LINK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE vitc_options ${ARG_LINK} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    VITC_TEST_DATA_DIR="${CMAKE_SOURCE_DIR}/test/data"
    VITC_MODELS_DIR="${CMAKE_SOURCE_DIR}/models"
    VITC_SHARED_DIR="${VITC_SHARED}")
  # Cases are listed when ctest starts, so building one test does not run it.
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()

# vitc_lit_test(FOLDER): the lit tests below test/FOLDER as one test of ctest. lit uses all cores by itself, so ctest starts nothing beside it.
function(vitc_lit_test folder)
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  add_test(NAME lit.${folder}
    COMMAND ${Python3_EXECUTABLE} ${VITC_LIT} -v --show-unsupported --allow-empty-runs ${CMAKE_BINARY_DIR}/test/${folder})
  set_tests_properties(lit.${folder} PROPERTIES TIMEOUT 900 PROCESSORS ${cores})
endfunction()
