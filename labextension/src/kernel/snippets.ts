/** Tab in a cell without a program offers programs to begin with; JupyterLab itself would only indent. */
import { Extension, Prec } from '@codemirror/state';
import { keymap } from '@codemirror/view';
import { kindOfState } from '../language/kind';

export function snippets(complete: () => void): Extension {
  return Prec.high(
    keymap.of([
      {
        key: 'Tab',
        run({ state }) {
          const kind = kindOfState(state);
          const begin = kind && kind.magicLine < state.doc.lines ? state.doc.line(kind.magicLine + 1).from : null;
          const { main } = state.selection;
          if (begin === null || main.head < begin || state.sliceDoc(begin).trim() !== '') {
            return false;
          }
          complete();
          return true;
        }
      }
    ])
  );
}
