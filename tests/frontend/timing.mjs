// node timing.mjs < text: milliseconds that each mode takes for the whole text, the best of several rounds, as JSON.
import fs from 'node:fs';
import { byTextMate, kindOf, languageModule, textMateGrammar } from './classes.mjs';

const ROUNDS = 7;
const text = fs.readFileSync(0, 'utf8');
const grammar = await textMateGrammar();
const { parser } = languageModule.language(kindOf(text));

function best(work) {
  const times = Array.from({ length: ROUNDS }, () => {
    const begin = performance.now();
    work();
    return performance.now() - begin;
  });
  return Math.min(...times);
}

console.log(
  JSON.stringify({
    codemirror: best(() => parser.parse(text)),
    'which kind of cell it is': best(() => kindOf(text)),
    textmate: best(() => byTextMate(grammar, text))
  })
);
