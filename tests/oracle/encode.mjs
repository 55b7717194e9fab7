// Token ids by an independent implementation, for tests/e2e/test_tokenizer_oracle.py and bench/tokens.py.
// node encode.mjs FOLDER hf FILE         the Rust library itself; FILE is a tokenizer.json
// node encode.mjs FOLDER tiktoken NAME   NAME is cl100k_base, o200k_base …
// node encode.mjs FOLDER ranks NAME      writes NAME as a tiktoken rank file instead
// FOLDER has the installed packages. A line of the input is a JSON string; one of the output is [ids], and for hf [ids, ids with the special
// tokens that the post-processor adds].
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const [folder, kind, name] = process.argv.slice(2);
const require = createRequire(resolve(folder, "package.json"));

const encoding = () => JSON.parse(readFileSync(resolve(folder, "node_modules/tiktoken/encoders", name + ".json"), "utf8"));

function writeRanks() {
  for (const line of encoding().bpe_ranks.split("\n").filter(Boolean)) {
    const [, first, ...tokens] = line.split(" ");
    tokens.forEach((token, i) => console.log(token, Number(first) + i));
  }
}

const encoders = {
  hf() {
    const tokenizer = require("tokenizers").Tokenizer.fromFile(name);
    const encode = async (text, addSpecialTokens) => (await tokenizer.encode(text, null, { addSpecialTokens })).getIds();
    return async (text) => [await encode(text, false), await encode(text, true)];
  },
  tiktoken() {
    const { Tiktoken } = require("tiktoken/lite");
    const { bpe_ranks, special_tokens, pat_str } = encoding();
    const tokenizer = new Tiktoken(bpe_ranks, special_tokens, pat_str);
    return async (text) => [[...tokenizer.encode(text, "all")]];
  },
};

if (kind === "ranks") {
  writeRanks();
} else {
  const encode = encoders[kind]();
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await encode(JSON.parse(line))));
  }
}
