/** Which cells are assembly, and by whose rules they are written. */
import table from './table.json';

export type Dialect = 'undeclared' | 'nasm' | 'gnu';

export interface CellKind {
  /** The line of `%%asm`, counted from 1. */
  readonly magicLine: number;
  readonly dialect: Dialect;
  /** Whether the option line asks for AT&T syntax; directives may change it further down. */
  readonly att: boolean;
}

const MAGIC = new RegExp(table.magic, 'i');
const ATT_OPTION = /\s--syntax[ \t=]+att\b/;
const every = (sources: string[]): RegExp[] => sources.map(source => new RegExp(source, 'im'));
const NASM = every(table.dialects.nasm);
const GNU = every(table.dialects.gnu);
const NOT_NASM = every(table.dialects.not_nasm);

/** The dialect that a text declares by its directives. */
export function dialectOf(text: string): Dialect {
  const declares = (patterns: RegExp[]): boolean => patterns.some(pattern => pattern.test(text));
  const nasm = declares(NASM);
  const gnu = declares(GNU);
  if (nasm) {
    return gnu || declares(NOT_NASM) ? 'undeclared' : 'nasm';
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
