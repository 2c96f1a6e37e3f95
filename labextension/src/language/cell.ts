/** Which cells are assembly, and by whose rules they are written. */
import table from './table.json';

export type Dialect = 'undeclared' | 'nasm' | 'gnu' | 'masm';

export interface CellKind {
  /** The line of `%%asm`, counted from 1. */
  readonly magicLine: number;
  readonly dialect: Dialect;
  /** Whether the option line asks for AT&T syntax; directives may change it further down. */
  readonly att: boolean;
}

const MAGIC = new RegExp(table.magic, 'i');
const ATT_OPTION = /\s--syntax[ \t=]+att\b/;
const { dialects, words } = table;
const NASM_PREPROCESSOR = new RegExp(dialects.nasm_preprocessor, 'im');
const NASM_ALONE = new RegExp(dialects.nasm_alone, 'im');
const NASM_WORD = new RegExp(dialects.nasm_word, 'im');
const GNU_WORD = new RegExp(dialects.gnu_word, 'm');
const GNU_SECTION = new RegExp(dialects.gnu_section, 'im');
const GNU_DIRECTIVE = new RegExp(dialects.gnu_directive, 'gm');
const MASM_WORD = new RegExp(dialects.masm_word, 'im');
const STATEMENT = new Set([...words.mnemonics, ...words.att, ...words.prefixes, ...words.names_before]);

/** The dialect that a text declares by its directives, as execmem_kernel/assembly/syntax/dialect_detection.py has it. */
export function dialectOf(text: string): Dialect {
  const nasmAlone = NASM_PREPROCESSOR.test(text) || NASM_ALONE.test(text);
  const gnu = GNU_WORD.test(text);
  // What stands before a statement is a label, whatever it is called.
  const directives = Array.from(text.matchAll(GNU_DIRECTIVE));
  const directive = directives.some(([, behind]) => !STATEMENT.has(behind.toLowerCase()));
  if (!nasmAlone && !gnu && !directive && MASM_WORD.test(text)) {
    return 'masm';
  }
  if (nasmAlone || NASM_WORD.test(text)) {
    return gnu || directive || (!nasmAlone && GNU_SECTION.test(text)) ? 'undeclared' : 'nasm';
  }
  return gnu ? 'gnu' : 'undeclared';
}

/** What kind of assembly cell a text is, or null for Python. */
export function kindOf(lines: Iterable<string>): CellKind | null {
  // IPython looks for the magic below blank lines and comments, where nbval's markers stand.
  let number = 0;
  let magic: string | null = null;
  const body: string[] = [];
  for (const line of lines) {
    number += magic === null ? 1 : 0;
    if (magic !== null) {
      body.push(line);
    } else if (MAGIC.test(line)) {
      magic = line;
    } else if (/^(?!#)\s*\S/.test(line)) {
      return null;
    }
  }
  return magic === null
    ? null
    : { magicLine: number, dialect: dialectOf(body.join('\n')), att: ATT_OPTION.test(magic) };
}

/** Whether two cells are read by the same rules. */
export function sameKind(one: CellKind | null, other: CellKind | null): boolean {
  return one?.dialect === other?.dialect && one?.att === other?.att && (one === null) === (other === null);
}
