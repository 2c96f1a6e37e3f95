/** Programs to begin with, offered below an assembly cell in which nothing stands yet. */
import { Annotation, Extension, Prec, StateEffect, StateField } from '@codemirror/state';
import { EditorView, Panel, keymap, showPanel } from '@codemirror/view';
import type { Snippet } from './protocol';

export const setSnippets = StateEffect.define<Snippet[]>();

/** On a change that writes one of the programs: the others are offered still, until something else is typed. */
const picked = Annotation.define<boolean>();

const offered = StateField.define<Snippet[]>({
  create: () => [],
  update(snippets, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setSnippets)) {
        return effect.value;
      }
    }
    return transaction.docChanged && !transaction.annotation(picked) && snippets.length > 0 ? [] : snippets;
  },
  provide: field =>
    showPanel.from(field, snippets => (snippets.length > 0 ? view => makePanel(view, snippets) : null))
});

function makePanel(view: EditorView, snippets: Snippet[]): Panel {
  const dom = document.createElement('div');
  dom.className = 'execmem-snippets';
  dom.append('Begin with (Tab for the next):');
  for (const snippet of snippets) {
    const button = document.createElement('button');
    button.textContent = snippet.title;
    button.tabIndex = -1; // JupyterLab gives the focus back to the text at once; from there Tab leads through all of them
    button.onclick = () => pick(view, snippet);
    dom.append(button);
  }
  return { dom };
}

/** Write a program, instead of the one that was picked before it. */
function pick(view: EditorView, { from, insert }: Snippet): void {
  view.dispatch({
    changes: { from, to: view.state.doc.length, insert },
    selection: { anchor: from + insert.length },
    annotations: picked.of(true),
    userEvent: 'input.complete'
  });
  view.focus();
}

function pickNext(view: EditorView): boolean {
  const snippets = view.state.field(offered);
  if (snippets.length === 0) {
    return false;
  }
  const now = snippets.findIndex(({ from, insert }) => view.state.sliceDoc(from) === insert);
  pick(view, snippets[(now + 1) % snippets.length]);
  return true;
}

export const snippets: Extension = [offered, Prec.high(keymap.of([{ key: 'Tab', run: pickNext }]))];
