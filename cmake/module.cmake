# keelson_module(NAME [DEPS module...] [LIBS external-target...])
#   Declares the folder of the calling CMakeLists.txt as a module: a static library of all its *.cc
#   files (not those of sub-folders). DEPS are other modules and must match the layer table in
#   docs/ARCHITECTURE.md, which tests/tidy checks by the includes.
function(keelson_module name)
  cmake_parse_arguments(arg "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_compile_options(${name} PRIVATE ${KEELSON_WARNINGS})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${arg_DEPS} ${arg_LIBS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} INTERFACE ${arg_DEPS} ${arg_LIBS})
  endif()
endfunction()

# keelson_test(NAME [DEPS target...]) declares the *_test.cc files of the calling folder as one
# GoogleTest binary, registered with ctest under NAME.
function(keelson_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  add_executable(${name} ${sources})
  target_compile_options(${name} PRIVATE ${KEELSON_WARNINGS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()
