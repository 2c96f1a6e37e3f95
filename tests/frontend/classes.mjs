// The class of every character, by the CodeMirror mode and by the TextMate grammar in VS Code's own engine.
import fs from 'node:fs';
import path from 'node:path';
import onig from 'vscode-oniguruma';
import textmate from 'vscode-textmate';
import { languageModules } from './modules.mjs';

const HERE = import.meta.dirname;
const GRAMMAR = path.join(HERE, '../../vscode/syntaxes/asm.tmLanguage.json');
const ENGINE = path.join(HERE, 'node_modules/vscode-oniguruma/release/onig.wasm');
const modules = await languageModules();

// CodeMirror's names of colours and TextMate's scopes -> the class of a token.
const STYLES = {
  comment: 'comment', string: 'string', number: 'number', labelName: 'label', keyword: 'mnemonic',
  processingInstruction: 'directive', 'variableName.special': 'register', atom: 'size',
  'variableName.standard': 'argument', meta: 'magic', attributeName: 'option'
};
const SCOPES = {
  'comment.line': 'comment', 'comment.block': 'comment', 'string.quoted': 'string', 'constant.numeric': 'number',
  'entity.name.label': 'label', 'keyword.mnemonic': 'mnemonic', 'keyword.control.directive': 'directive',
  'variable.language.register': 'register', 'storage.type.size': 'size', 'variable.parameter': 'argument',
  'keyword.control.magic': 'magic', 'entity.other.attribute-name': 'option'
};

export const kindOf = text => modules.cell.kindOf(text.split('\n'));
export const languageModule = modules.mode;

/** Lists of [from, to, class] for each line, blanks and what has no class left out. */
export function byCodeMirror(text) {
  const lines = text.split('\n');
  const kind = kindOf(text);
  if (!kind) {
    return null;
  }
  const found = lines.map(() => []);
  const starts = [];
  for (let at = 0, n = 0; n < lines.length; at += lines[n].length + 1, n++) {
    starts.push(at);
  }
  let line = 0;
  modules.mode.language(kind).parser.parse(text).iterate({
    enter(node) {
      if (node.type.isTop || node.name === '') {
        return;
      }
      while (line + 1 < lines.length && starts[line + 1] <= node.from) {
        line++;
      }
      if (!(node.name in STYLES)) {
        throw new Error(`no class for ${node.name}`);
      }
      found[line].push([node.from - starts[line], node.to - starts[line], STYLES[node.name]]);
    }
  });
  return found;
}

// A stand-in for VS Code's Python: what spans lines in it must not reach into a cell of assembly.
const PYTHON = {
  scopeName: 'source.python',
  patterns: [
    { name: 'comment.line.number-sign.python', match: '#.*$' },
    { name: 'string.quoted.docstring.python', begin: '"""', end: '"""' },
    { name: 'string.quoted.single.python', match: '"[^"]*"' },
    { name: 'keyword.control.python', match: '\\b(?:if|and|from|with|while|is|import)\\b' },
    { name: 'meta.brackets.python', begin: '\\[', end: '\\]', patterns: [{ include: '$self' }] }
  ]
};

export async function textMateGrammar() {
  await onig.loadWASM(fs.readFileSync(ENGINE).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: patterns => new onig.OnigScanner(patterns),
      createOnigString: text => new onig.OnigString(text)
    }),
    loadGrammar: async scope =>
      scope === 'source.python'
        ? PYTHON
        : textmate.parseRawGrammar(fs.readFileSync(GRAMMAR, 'utf8'), GRAMMAR),
    getInjections: scope => (scope === 'source.python' ? ['execmem.asm.injection'] : undefined)
  });
  return registry.loadGrammar('source.python');
}

export function byTextMate(grammar, text) {
  let stack = textmate.INITIAL;
  return text.split('\n').map(line => {
    const { tokens, ruleStack, stoppedEarly } = grammar.tokenizeLine(line, stack);
    if (stoppedEarly) {
      throw new Error(`no end: ${line}`);
    }
    stack = ruleStack;
    const found = [];
    for (const { startIndex, endIndex, scopes } of tokens) {
      const scope = scopes.at(-1).replace(/\.(?:asm\.x86|number-sign\.python)$/, '');
      if (scope.endsWith('.python') && scopes.includes('meta.embedded.block.asm.x86')) {
        throw new Error(`Python's ${scope} in: ${line}`);
      }
      const end = Math.min(endIndex, line.length); // the engine counts a line break that is not there
      const last = found.at(-1);
      if (SCOPES[scope] === 'comment' && last?.[2] === 'comment' && last[1] === startIndex) {
        last[1] = end; // its marks are tokens of their own
      } else if (SCOPES[scope] && startIndex < end) {
        found.push([startIndex, end, SCOPES[scope]]);
      }
    }
    return found;
  });
}

/** The class of each character of a line, one letter each; blanks have none. */
export function spread(line, found) {
  const classes = Array(line.length).fill('');
  for (const [from, to, name] of found) {
    classes.fill(name, from, to);
  }
  return classes.map((name, index) => (/\s/.test(line[index]) ? '' : name));
}
