/** An editor whose language follows its own first line: assembly below `%%asm`, Python again without it. */
import { Compartment, EditorState, Extension, Prec, StateEffect } from '@codemirror/state';
import { CellKind, kindOf, sameKind } from './cell';
import { changeKind, kindField } from './kind';
import { lineNumbers } from './line_numbers';
import { mode } from './mode';

const slot = new Compartment();
const support = (kind: CellKind | null): Extension => (kind ? mode(kind) : []);

/**
 * What makes an editor follow its text.
 *
 * Nothing is asked of JupyterLab's mime types: it loads Python's mode later, and the mode that arrives last would win.
 * A compartment of our own at high precedence stands above whatever JupyterLab sets, and takes nothing away from it.
 */
export function followText(text: string): Extension {
  return [
    kindField,
    Prec.high(slot.of(support(kindOf(text.split('\n'))))),
    // Part of the very transaction that changes the text: history, selection and a collaborator's changes see one step.
    EditorState.transactionExtender.of(transaction => {
      if (!transaction.docChanged) {
        return null;
      }
      const before = transaction.startState.field(kindField);
      const after = kindOf(transaction.newDoc.iterLines());
      const effects: StateEffect<unknown>[] = [];
      if (!sameKind(before, after)) {
        effects.push(slot.reconfigure(support(after)));
      }
      if (!sameKind(before, after) || before?.magicLine !== after?.magicLine) {
        effects.push(changeKind.of(after));
      }
      return effects.length > 0 ? { effects } : null;
    }),
    lineNumbers
  ];
}
