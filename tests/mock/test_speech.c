/* Answers of exactly so many tokens of a tokenizer. */
#include "check.h"

#include "base/buf.h"
#include "mock/speech.h"
#include "token/tokenizer.h"

static struct tokenizer *load(void)
{
    struct err err;
    struct tokenizer *tokenizer = tokenizer_load(TEST_DATA "/tokenizer", &err);
    if (!tokenizer)
        fail_msg("%s", err.text);
    return tokenizer;
}

/* Every number of tokens there is, and each token's text once, in order. */
static void speeches_have_their_tokens(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = load();
    struct mock_voice *voice = mock_voice_new(tokenizer);
    unsigned held = 0;
    for (uint32_t tokens = 0; tokens <= 150; tokens++) {
        struct mock_speech speech;
        struct buf whole;
        uint64_t count = 0;
        assert_true(mock_speech_make(voice, 7, tokens, tokens % 3, tokens, &speech));
        buf_init(&whole, SIZE_MAX / 2);
        for (uint32_t k = 0; k < tokens; k++) {
            struct span piece = mock_speech_token(&speech, k);
            held += piece.len == 0;
            buf_add_span(&whole, piece);
        }
        assert_int_equal(mock_speech_token(&speech, tokens).len, 0);
        buf_add_char(&whole, '\0');
        CHECK_TEXT("joined", whole.data, tokens ? speech.text : "");
        if (tokens)
            assert_true(mock_voice_count(voice, span_text(speech.text), &count));
        CHECK_INT("tokens", count, tokens);
        buf_fini(&whole);
        mock_speech_fini(&speech);
    }
    assert_true(held > 100); /* pieces of characters wait for the rest of them */
    mock_voice_free(voice);
    tokenizer_free(tokenizer);
}

static void the_same_numbers_say_the_same(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = load();
    struct mock_voice *voice = mock_voice_new(tokenizer);
    struct mock_speech first, same, other;
    assert_true(mock_speech_make(voice, 1, 2, 0, 40, &first));
    assert_true(mock_speech_make(voice, 1, 2, 0, 40, &same));
    assert_true(mock_speech_make(voice, 2, 2, 0, 40, &other));
    CHECK_TEXT("the same", same.text, first.text);
    assert_string_not_equal(other.text, first.text);
    mock_speech_fini(&first);
    mock_speech_fini(&same);
    mock_speech_fini(&other);
    mock_voice_free(voice);
    tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speeches_have_their_tokens),
        cmocka_unit_test(the_same_numbers_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
