/** An editor's part of the conversation: it asks when the text has rested, and shows the answer. */
import { forEachDiagnostic, nextDiagnostic, setDiagnostics } from '@codemirror/lint';
import { Extension, Prec } from '@codemirror/state';
import { Command, EditorView, PluginValue, ViewPlugin, ViewUpdate, keymap } from '@codemirror/view';
import { kindOfState } from '../language/kind';
import { loadHint, setLoadHint } from './load_hint';
import { markOf } from './marks';
import type { Answer, Session } from './session';
import { setSnippets, snippets } from './snippets';

/** Milliseconds without a change before the kernel is asked. */
const REST = 300;

/** The conversation that an editor takes part in, once it stands in a notebook. */
export type FindSession = (view: EditorView) => Session | null;

/** Show what the kernel says. */
export function show(view: EditorView, { loaded, findings, snippets }: Answer): void {
  const offers = snippets.length > 0 ? [setSnippets.of(snippets)] : [];
  view.dispatch(setDiagnostics(view.state, findings.map(markOf)), { effects: [setLoadHint.of(!loaded), ...offers] });
}

export function watch(findSession: FindSession): Extension {
  class Watcher implements PluginValue {
    private session: Session | null = null;
    private timer = 0;

    constructor(private readonly view: EditorView) {
      this.rest(0);
    }

    update(update: ViewUpdate): void {
      // An editor is made before it stands in its notebook; the first change of its size tells that it does.
      const kindChanged = kindOfState(update.startState) !== kindOfState(update.state);
      if (update.docChanged || kindChanged || (update.geometryChanged && !this.session)) {
        this.rest(REST);
      }
    }

    destroy(): void {
      window.clearTimeout(this.timer);
      this.session?.forget(this.view);
    }

    private rest(time: number): void {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.ask(), time);
    }

    private ask(): void {
      if (kindOfState(this.view.state)) {
        this.session ??= findSession(this.view);
        this.session?.ask(this.view);
      } else if (this.session) {
        this.session.forget(this.view);
        this.session = null;
        show(this.view, { loaded: true, findings: [], snippets: [] }); // Python again
      }
    }
  }
  return [ViewPlugin.fromClass(Watcher), loadHint, snippets, Prec.high(keymap.of(keys))];
}

/** The first quick fix of what is marked on the cursor's line. */
const fix: Command = view => {
  const { head } = view.state.selection.main;
  const line = view.state.doc.lineAt(head);
  let done = false;
  forEachDiagnostic(view.state, ({ actions }, from, to) => {
    if (!done && from <= line.to && to >= line.from && actions && actions.length > 0) {
      actions[0].apply(view, from, to);
      done = true;
    }
  });
  return done;
};

const onlyAssembly =
  (command: Command): Command =>
  view =>
    kindOfState(view.state) !== null && command(view);

const keys = [
  { key: 'Mod-.', run: onlyAssembly(fix) },
  { key: 'F8', run: onlyAssembly(nextDiagnostic) }
];
