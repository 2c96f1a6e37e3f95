/** The kind of cell that an editor shows, kept beside its text. */
import { EditorState, StateEffect, StateField } from '@codemirror/state';
import { CellKind, kindOf } from './cell';

/** Sent by follow.ts with the change of the text that makes it true. */
export const changeKind = StateEffect.define<CellKind | null>();

export const kindField = StateField.define<CellKind | null>({
  create: state => kindOf(state.doc.iterLines()),
  update(kind, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(changeKind)) {
        return effect.value;
      }
    }
    return kind;
  }
});

/** What kind of assembly an editor's text is, or null for anything else. */
export function kindOfState(state: EditorState): CellKind | null {
  return state.field(kindField, false) ?? null;
}

/** Whether it is an assembly cell with room for a program, in which none stands yet. */
export function hasBlankBody(state: EditorState): boolean {
  const kind = kindOfState(state);
  if (!kind || kind.magicLine === state.doc.lines) {
    return false;
  }
  return state.sliceDoc(state.doc.line(kind.magicLine + 1).from).trim() === '';
}
