# What llmbench is built and tested with: Debian 12 (bookworm) packages. Debian's stable release is the pin; the versions
# this was last seen to work with stand beside each. Sourced by scripts/deps.sh.

BUILD_PACKAGES="
    libc6-dev                # 2.36
    gcc                      # 12.2
    cmake                    # 3.25
    ninja-build              # 1.11
    pkg-config               # 1.8
    libev-dev                # 4.33
    libcurl4-openssl-dev     # 7.88.1
    libssl-dev               # 3.0, its libcrypto: crypto for scripts, keys of the mock
    libluajit-5.1-dev        # 2.1.0-beta3
    libcjson-dev             # 1.7.15
    libsqlite3-dev           # 3.40.1
    libpcre2-dev             # 10.42: the regexes of tokenizers
    libutf8proc-dev          # 2.8.0: Unicode 15
    ca-certificates          # to verify https servers
"

TEST_PACKAGES="
    libcmocka-dev            # 1.1.5
    clang                    # 14.0
    clang-format             # 14.0
    clang-tidy               # 14.0
    cppcheck                 # 2.10
    valgrind                 # 3.19
    libclang-rt-14-dev       # fuzzers and sanitizers of clang
    lua-check                # luacheck 1.1
    python3                  # 3.11, standard library only: drives the end-to-end tests
    nginx-light              # 1.22: a TLS server in front of the mock
    libsentencepiece-dev     # 0.1.97, and g++ 12.2 with it: to read tokenizer.model
    g++
    openssl                  # a throw-away certificate for the https tests
"

BENCH_PACKAGES="
    python3                  # 3.11: drives the measurements
    python3-aiohttp          # 3.8: a client in the usual manner of Python benchmarks
    wrk                      # 4.1: plain requests
    binutils                 # 2.40: strip, for the size of the binary
    util-linux               # 2.38: taskset
"

# Not needed to build: libsentencepiece-dev (0.1.97) and g++. Where they are, llmbench is built to read SentencePiece's tokenizer.model too
# (cmake -DSENTENCEPIECE=ON insists on them, OFF does without).
#
# Not installed by scripts/deps.sh, for Debian's npm draws in some 400 packages: nodejs and npm (any of the last five years). Where they
# are, scripts/oracle.sh installs the tokenizers of scripts/oracle to compare with; where not, scripts/test.sh says what it skipped.
