/** Tokens: one line cut into pieces with a class each. The patterns and the words come from the one table. */
import type { CellKind, Dialect } from './cell';
import table from './table.json';

export type TokenClass =
  | 'comment'
  | 'string'
  | 'number'
  | 'label'
  | 'mnemonic'
  | 'directive'
  | 'register'
  | 'size'
  | 'argument'
  | 'magic'
  | 'option';

/** What is known at a place in the text from what stands before it. */
export interface State {
  place: 'above' | 'magic' | 'statement' | 'counted' | 'operands' | 'comment' | 'block';
  /** Where a comment over several lines stands: it goes on there behind it on the same line. */
  resume: 'statement' | 'counted' | 'operands';
  att: boolean;
  /** Whether a prefix came just before, which a semicolon does not part from its instruction. */
  prefixed: boolean;
  /** Whether an expression can go on here, so that NASM's `//` divides. */
  value: boolean;
  /** Whether the line goes on in the next one. */
  continued: boolean;
}

/** The part of CodeMirror's StringStream that is used. */
export interface Stream {
  readonly string: string;
  pos: number;
  sol(): boolean;
}

const { words, tokens } = table;
const known = {
  mnemonics: new Set(words.mnemonics),
  att: new Set(words.att),
  prefixes: new Set(words.prefixes),
  registers: new Set(words.registers),
  sizes: new Set(words.sizes),
  directives: new Set(words.directives),
  counted: new Set(words.counted)
};
const sticky = (source: string): RegExp => new RegExp(source, 'iy');
const byDialect = (sources: Record<Dialect, string>): Record<Dialect, RegExp> => ({
  undeclared: sticky(sources.undeclared),
  nasm: sticky(sources.nasm),
  gnu: sticky(sources.gnu),
  masm: sticky(sources.masm)
});
const BLANK = /[ \t\f\v\u00a0]+/y;
const MAGIC = /%%asm/y;
const LABEL = sticky(tokens.label);
const NAMED = sticky(tokens.named);
const NAME = sticky(tokens.name);
const NO_NUMBER = sticky(tokens.no_number);
const NUMBER = byDialect(tokens.number);
const STRING = byDialect(tokens.string);
const REFERENCE = sticky(tokens.reference);
const ARGUMENT = sticky(tokens.argument);
const DECORATION = sticky(tokens.decoration);
const OPTION = sticky(tokens.option);
const PREPROCESSOR = /%[a-z]\w*/iy;
const DIVISOR = sticky(tokens.divisor);
const BEHIND_SEPARATOR = sticky(tokens.behind_separator);
const STACK_REGISTER = /\([0-7]\)/y;
const COMMENT = byDialect({ undeclared: '[;#]|//', nasm: '[;#]|//', gnu: '#|//', masm: '[;#]|//' });

const isDirective = (word: string): boolean =>
  known.directives.has(word) || words.directive_prefixes.some(prefix => word.startsWith(prefix));

export const startState = (kind: CellKind): State => ({
  place: 'above',
  resume: 'statement',
  att: kind.att,
  prefixed: false,
  value: false,
  continued: false
});

/** Reads tokens of one cell, by the rules of its dialect. */
export class Tokenizer {
  constructor(private readonly kind: CellKind) {}

  /** Moves the stream behind the next token; its class, or null for blanks, names and operators. */
  next(stream: Stream, state: State): TokenClass | null {
    if (stream.sol()) {
      this.beginLine(stream, state);
    }
    if (state.place === 'above') {
      return this.above(stream, state);
    }
    if (state.place === 'comment' || state.place === 'block') {
      return this.comment(stream, state);
    }
    if (match(stream, BLANK)) {
      return null;
    }
    if (state.place === 'magic') {
      return this.option(stream);
    }
    const dialect = this.dialect(state);
    return this.commentBegins(stream, state, dialect) ?? this.token(stream, state, dialect);
  }

  /** AT&T syntax is read by the rules of GNU as, whatever else the text declares. */
  private dialect(state: State): Dialect {
    return state.att ? 'gnu' : this.kind.dialect;
  }

  private beginLine(stream: Stream, state: State): void {
    if (state.place === 'magic') {
      state.place = 'statement';
    } else if (state.place === 'block') {
      state.resume = 'statement';
    } else if (state.place !== 'above' && !state.continued) {
      state.place = 'statement';
    }
    state.value = false;
    state.prefixed &&= state.continued;
    state.continued = this.dialect(state) === 'nasm' && stream.string.endsWith('\\');
  }

  private above(stream: Stream, state: State): TokenClass | null {
    if (match(stream, BLANK)) {
      return null;
    }
    if (match(stream, MAGIC)) {
      state.place = 'magic';
      return 'magic';
    }
    stream.pos = stream.string.length;
    return 'comment';
  }

  private option(stream: Stream): TokenClass | null {
    if (match(stream, STRING.nasm)) {
      return 'string';
    }
    if (match(stream, OPTION)) {
      return 'option';
    }
    if (match(stream, NUMBER.undeclared)) {
      return 'number';
    }
    const name = match(stream, NAME);
    if (name !== null) {
      return known.registers.has(name.toLowerCase()) && stream.string[stream.pos] === '=' ? 'register' : null;
    }
    return this.plain(stream);
  }

  private comment(stream: Stream, state: State): TokenClass {
    const end = state.place === 'block' ? stream.string.indexOf('*/', stream.pos) : -1;
    if (end >= 0) {
      stream.pos = end + 2;
      state.place = state.resume;
    } else {
      stream.pos = stream.string.length;
    }
    return 'comment';
  }

  private commentBegins(stream: Stream, state: State, dialect: Dialect): TokenClass | null {
    if (stream.string.startsWith('/*', stream.pos)) {
      stream.pos += 2;
      state.resume = state.place as State['resume'];
      state.place = 'block';
      return this.comment(stream, state);
    }
    if (dialect === 'nasm' && state.value && at(stream, DIVISOR)) {
      return null;
    }
    const separator = dialect === 'gnu' && stream.string[stream.pos] === ';';
    if (separator ? this.separates(stream, state) : !at(stream, COMMENT[dialect])) {
      return null;
    }
    stream.pos = stream.string.length;
    if (state.continued) {
      state.place = 'comment';
    }
    return 'comment';
  }

  /** Whether what stands behind a semicolon begins like a statement, as GNU as reads it. */
  private separates(stream: Stream, state: State): boolean {
    if (state.place === 'statement' && state.prefixed) {
      return true;
    }
    BEHIND_SEPARATOR.lastIndex = stream.pos + 1;
    const [, labels, word, operands] = BEHIND_SEPARATOR.exec(stream.string) ?? ['', '', '', undefined];
    const lower = word.toLowerCase();
    return (
      known.mnemonics.has(lower) ||
      known.att.has(lower) ||
      known.prefixes.has(lower) ||
      known.directives.has(lower) ||
      (labels !== '' && word === '') ||
      operands !== undefined
    );
  }

  private token(stream: Stream, state: State, dialect: Dialect): TokenClass | null {
    if (stream.string.startsWith('//', stream.pos)) {
      stream.pos += 2; // only NASM's division comes here
      state.value = false;
      return null;
    }
    if (dialect === 'gnu' && stream.string[stream.pos] === ';') {
      stream.pos += 1;
      state.place = 'statement';
      state.prefixed = false;
      return null;
    }
    if (state.place === 'statement' || state.place === 'counted') {
      const found = this.opening(stream, state);
      if (found !== undefined) {
        return found;
      }
      if (state.place === 'statement') {
        state.place = 'operands';
      }
    }
    return this.operand(stream, state, dialect);
  }

  /** What only the beginning of a statement can be; undefined where it is none of it. */
  private opening(stream: Stream, state: State): TokenClass | null | undefined {
    if (state.place === 'statement') {
      if (match(stream, DECORATION)) {
        return 'size';
      }
      if (match(stream, LABEL)) {
        return 'label';
      }
    }
    const word = (look(stream, PREPROCESSOR) ?? look(stream, NAME))?.toLowerCase();
    const found = word === undefined ? undefined : this.openingWord(word, state);
    if (word !== undefined && found !== undefined) {
      stream.pos += word.length;
      return found;
    }
    if (state.place === 'statement') {
      if (match(stream, NAMED)) {
        return 'label';
      }
      if (':['.includes(stream.string[stream.pos])) {
        stream.pos += 1;
        return null;
      }
    }
    return undefined;
  }

  private openingWord(word: string, state: State): TokenClass | undefined {
    if (known.prefixes.has(word)) {
      state.prefixed = state.place === 'statement';
      return 'mnemonic';
    }
    if (isDirective(word)) {
      if (word === '.att_syntax' || word === '.intel_syntax') {
        state.att = word === '.att_syntax';
      }
      state.place = known.counted.has(word) ? 'counted' : 'operands';
      return 'directive';
    }
    if (known.mnemonics.has(word) || (state.att && known.att.has(word))) {
      state.place = 'operands';
      return 'mnemonic';
    }
    return undefined;
  }

  private operand(stream: Stream, state: State, dialect: Dialect): TokenClass | null {
    state.value = false;
    if (match(stream, STRING[dialect])) {
      return 'string';
    }
    if (match(stream, DECORATION)) {
      return 'size';
    }
    if (dialect !== 'nasm' && dialect !== 'masm' && match(stream, REFERENCE)) {
      return 'label';
    }
    if (match(stream, NUMBER[dialect])) {
      state.value = true;
      return 'number';
    }
    if (match(stream, ARGUMENT)) {
      state.value = true;
      return 'argument';
    }
    const name = match(stream, NAME)?.toLowerCase();
    if (name !== undefined) {
      if (known.registers.has(name)) {
        if (name === 'st') {
          match(stream, STACK_REGISTER);
        }
        return 'register';
      }
      state.value = true;
      return known.sizes.has(name) ? 'size' : null;
    }
    if (match(stream, NO_NUMBER)) {
      state.value = true;
      return null;
    }
    state.value = ')$'.includes(stream.string[stream.pos]);
    return this.plain(stream);
  }

  private plain(stream: Stream): null {
    stream.pos += 1;
    return null;
  }

  /** A line without anything on it: it ends what went on from the one before. */
  blankLine(state: State): void {
    state.continued = false;
    if (state.place !== 'above' && state.place !== 'block') {
      state.place = 'statement';
    }
  }
}

function match(stream: Stream, pattern: RegExp): string | null {
  const found = look(stream, pattern);
  if (found !== null) {
    stream.pos += found.length;
  }
  return found;
}

function look(stream: Stream, pattern: RegExp): string | null {
  pattern.lastIndex = stream.pos;
  return pattern.exec(stream.string)?.[0] ?? null;
}

function at(stream: Stream, pattern: RegExp): boolean {
  pattern.lastIndex = stream.pos;
  return pattern.test(stream.string);
}
