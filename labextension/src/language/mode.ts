/** The language mode: CodeMirror's view of the tokens, and where lines begin. */
import { StreamLanguage, indentService, indentString, indentUnit } from '@codemirror/language';
import { EditorSelection, Extension, Prec, Text, countColumn } from '@codemirror/state';
import { Command, keymap } from '@codemirror/view';
import { CellKind } from './cell';
import table from './table.json';
import { State, TokenClass, Tokenizer, startState } from './tokens';

/** The class of a token -> CodeMirror's name for its colour. */
const STYLES: Record<TokenClass, string> = {
  comment: 'comment',
  string: 'string',
  number: 'number',
  label: 'labelName',
  mnemonic: 'keyword',
  directive: 'processingInstruction',
  register: 'variableName.special',
  size: 'atom',
  argument: 'variableName.standard',
  magic: 'meta',
  option: 'attributeName'
};

/** Where mnemonics begin until a line of the cell says otherwise. */
const COLUMN = 8;
const LABEL = new RegExp(`^[ \\t]*(?:${table.tokens.label})[ \\t]*:`, 'i');

const modes = new Map<string, Extension>();

/** All that makes an editor one for assembly. The same object for the same kind of cell. */
export function mode(kind: CellKind): Extension {
  const key = `${kind.dialect} ${kind.att}`;
  let found = modes.get(key);
  if (!found) {
    found = [
      language(kind),
      indentUnit.of(' '.repeat(COLUMN)),
      indentService.of((context, pos) => {
        const line = context.lineAt(pos);
        const { doc, tabSize } = context.state;
        return LABEL.test(line.text) ? 0 : columnBelow(doc, doc.lineAt(pos).number - 1, tabSize);
      }),
      Prec.high(keymap.of([{ key: 'Enter', run: newLine }]))
    ];
    modes.set(key, found);
  }
  return found;
}

/** The parser alone. */
export function language(kind: CellKind): StreamLanguage<State> {
  const tokenizer = new Tokenizer(kind);
  return StreamLanguage.define<State>({
    name: 'execmem-asm',
    startState: () => startState(kind),
    copyState: state => ({ ...state }),
    token(stream, state) {
      const found = tokenizer.next(stream, state);
      return found && STYLES[found];
    },
    blankLine: state => tokenizer.blankLine(state),
    languageData: {
      commentTokens: { line: table.toggle[kind.att ? 'att' : kind.dialect] },
      indentOnInput: LABEL,
      closeBrackets: { brackets: ['[', '(', '"'] }
    }
  });
}

/** The column in which a line below line `number` begins; brackets count for nothing. */
export function columnBelow(doc: Text, number: number, tabSize: number): number {
  let afterLabel = false;
  for (; number > 0; number--) {
    const text = doc.line(number).text;
    if (/^\s*%%/.test(text)) {
      break;
    }
    const label = LABEL.exec(text)?.[0] ?? '';
    const behind = text.slice(label.length);
    const bare = /^\s*(?:[;#].*|\/\/.*)?$/.test(behind);
    const column = countColumn(text, tabSize, text.length - behind.trimStart().length);
    if (!bare && (column > 0 || !afterLabel)) {
      return column;
    }
    afterLabel ||= label !== '';
  }
  return afterLabel ? COLUMN : 0;
}

/** Enter: CodeMirror's own also opens a bracket over three lines. */
const newLine: Command = ({ state, dispatch, dom }) => {
  // JupyterLab's list of completions is open: Enter takes one of them.
  if (state.readOnly || dom.closest('.jp-mod-completer-active')) {
    return false;
  }
  const made = state.changeByRange(({ from, to }) => {
    const line = state.doc.lineAt(from);
    const before = line.text.slice(0, from - line.from);
    const column = columnBelow(state.doc.slice(0, from), line.number, state.tabSize);
    const begin = before.trim() === '' ? line.from : from;
    const rest = state.doc.lineAt(to);
    const behind = rest.text.slice(to - rest.from);
    const end = to + behind.length - behind.trimStart().length;
    const insert = state.lineBreak + indentString(state, column);
    return { changes: { from: begin, to: end, insert }, range: EditorSelection.cursor(begin + insert.length) };
  });
  dispatch(state.update(made, { scrollIntoView: true, userEvent: 'input' }));
  return true;
};
