# Writes OUT, a C file with the bytes of FILES (comma-separated, below ROOT) as
#   const struct embedded_file embedded_NAME_files[]; const size_t embedded_NAME_file_count;
# Run by the build: cmake -DOUT=… -DNAME=… -DROOT=… -DFILES=… -P embed.cmake
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
    file(READ "${ROOT}/${file}" hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    # A final NUL, not counted, so that text files can be used as C strings.
    string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}0x00};\n")
    string(APPEND rows "    {\"${file}\", file_${number}, sizeof file_${number} - 1},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "#include \"base/embedded.h\"\n\n${arrays}
extern const struct embedded_file embedded_${NAME}_files[];
extern const size_t embedded_${NAME}_file_count;
const struct embedded_file embedded_${NAME}_files[] = {\n${rows}};
const size_t embedded_${NAME}_file_count = ${number};
")
