# Compiler flags of every target: warnings are errors, checks stay on in release builds.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

find_program(KEELSON_CCACHE ccache)
if(KEELSON_CCACHE)
  # Paths below the source tree are hashed relative to it, so that every clone shares the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
                                  CCACHE_NOHASHDIR=1 ${KEELSON_CCACHE})
endif()
find_program(KEELSON_MOLD mold)
if(KEELSON_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-msse4.2)  # CRC-32C of every WAL record
endif()
if(KEELSON_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(KEELSON_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()

if(KEELSON_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage of the libraries steers the fuzzer
endif()

if(KEELSON_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

# Own code only; generated code is compiled without these.
set(KEELSON_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                     -Wimplicit-fallthrough -Werror)
