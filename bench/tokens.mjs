// What bench/tokens.c does, by the tokenizers of npm.
// node tokens.mjs BUILD hf TOKENIZER | tiktoken-node | anysphere | tiktoken
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const [build, kind, file] = process.argv.slice(2);
const from = (folder) => createRequire(resolve(build, folder, "package.json"));

// Each gives a function from text to the count of its tokens; what makes an array of the ids is left out where the library allows it.
const contenders = {
  hf() {
    const tokenizer = from("oracle")("tokenizers").Tokenizer.fromFile(file);
    return async (text) => (await tokenizer.encode(text, null, { addSpecialTokens: false })).getLength();
  },
  tiktoken() {
    const { get_encoding } = from("oracle")("tiktoken");
    const encoding = get_encoding("cl100k_base");
    return (text) => encoding.encode_ordinary(text).length;
  },
  "tiktoken-node"() {
    const encoding = from("oracle-bench")("tiktoken-node").getEncoding("cl100k_base");
    return (text) => encoding.encode(text).length;
  },
  anysphere() {
    const tokenizer = from("oracle-bench")("@anysphere/tiktoken-node-linux-x64-gnu").getTokenizer();
    return async (text) => (await tokenizer.encodeCl100KNoSpecialTokens(text)).length;
  },
};

// of CPU, in all threads of the process
const seconds = (begin) => {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
};
let begin = process.cpuUsage();
const count = contenders[kind]();
console.log(seconds(begin));
for await (const path of createInterface({ input: process.stdin })) {
  const text = readFileSync(path, "utf8");
  begin = process.cpuUsage();
  const tokens = await count(text);
  console.log(seconds(begin), tokens);
}
