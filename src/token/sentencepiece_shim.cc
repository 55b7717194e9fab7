#include "token/sentencepiece_shim.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

struct spm {
    sentencepiece::SentencePieceProcessor processor;
};

static bool fail(char *message, const std::string &why)
{
    std::snprintf(message, SPM_MESSAGE, "%s", why.c_str());
    return false;
}

struct spm *spm_new(const char *bytes, size_t len, char message[SPM_MESSAGE])
{
    try {
        auto made = std::make_unique<spm>();
        auto status = made->processor.LoadFromSerializedProto({bytes, len});
        if (status.ok())
            return made.release();
        fail(message, status.ToString());
    } catch (const std::exception &thrown) {
        fail(message, thrown.what());
    }
    return nullptr;
}

void spm_free(struct spm *spm)
{
    delete spm;
}

bool spm_encode(const struct spm *spm, const char *text, size_t len,
                void (*add)(void *arg, uint32_t id), void *arg, char message[SPM_MESSAGE])
{
    try {
        std::vector<int> ids;
        auto status = spm->processor.Encode({text, len}, &ids);
        if (!status.ok())
            return fail(message, status.ToString());
        for (int id : ids)
            add(arg, static_cast<uint32_t>(id));
        return true;
    } catch (const std::exception &thrown) {
        return fail(message, thrown.what());
    }
}

size_t spm_count(const struct spm *spm)
{
    return static_cast<size_t>(spm->processor.GetPieceSize());
}

const char *spm_piece(const struct spm *spm, size_t id, size_t *len)
{
    const std::string &piece = spm->processor.IdToPiece(static_cast<int>(id));
    *len = piece.size();
    return piece.data();
}
