// node modes.mjs < {compare: {name: text}, classify: [text], kinds: [text]}: what both modes say about them, as JSON.
import fs from 'node:fs';
import { byCodeMirror, byTextMate, kindOf, spread, textMateGrammar } from './classes.mjs';

const { compare, classify, kinds } = JSON.parse(fs.readFileSync(0, 'utf8'));
const grammar = await textMateGrammar();
const differences = [];
const counts = {};
let lines = 0;
for (const [name, text] of Object.entries(compare)) {
  const one = byCodeMirror(text);
  const other = byTextMate(grammar, text);
  text.split('\n').forEach((line, index) => {
    lines++;
    const [a, b] = [spread(line, one[index]), spread(line, other[index])];
    for (const found of one[index]) {
      counts[found[2]] = (counts[found[2]] ?? 0) + 1;
    }
    const at = a.findIndex((name, column) => name !== b[column]);
    if (at >= 0) {
      differences.push({ name, line: index, text: line, at, codemirror: a[at], textmate: b[at] });
    }
  });
}
console.log(
  JSON.stringify({
    lines,
    counts,
    differences,
    // what is found in each text's last line
    codemirror: classify.map(text => byCodeMirror(text)?.at(-1) ?? []),
    textmate: classify.map(text => byTextMate(grammar, text).at(-1)),
    kinds: kinds.map(text => kindOf(text))
  })
);
