/** What stands above an assembly cell while the kernel does not know `%%asm`: IPython's own message does not say why. */
import { StateEffect, StateField } from '@codemirror/state';
import { Panel, showPanel } from '@codemirror/view';

export const setLoadHint = StateEffect.define<boolean>();

export const loadHint = StateField.define<boolean>({
  create: () => false,
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setLoadHint)) {
        return effect.value;
      }
    }
    return shown;
  },
  provide: field => showPanel.from(field, shown => (shown ? makePanel : null))
});

function makePanel(): Panel {
  const dom = document.createElement('div');
  dom.className = 'execmem-load-hint';
  dom.setAttribute('role', 'note');
  const code = document.createElement('code');
  code.textContent = '%load_ext execmem_kernel';
  dom.append('This kernel does not know %%asm yet: run ', code, ' in a cell before this one.');
  return { dom, top: true };
}
