/** An editor's part of the conversation: it asks when the text has rested, and shows the answer. */
import { forEachDiagnostic, nextDiagnostic, setDiagnostics } from '@codemirror/lint';
import { Extension, Prec } from '@codemirror/state';
import { Command, EditorView, PluginValue, ViewPlugin, ViewUpdate, keymap } from '@codemirror/view';
import { kindOfState } from '../language/kind';
import { loadHint, setLoadHint } from './load_hint';
import { markOf } from './marks';
import type { Finding } from './protocol';
import type { Session } from './session';

/** Milliseconds without a change before the kernel is asked. */
const REST = 300;

/** The conversation that an editor takes part in, once it stands in a notebook. */
export type FindSession = (view: EditorView) => Session | null;

/** Show what the kernel found; null: the extension is not loaded. */
export function show(view: EditorView, findings: Finding[] | null): void {
  const marks = (findings ?? []).map(markOf);
  view.dispatch(setDiagnostics(view.state, marks), { effects: setLoadHint.of(findings === null) });
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
        show(this.view, []); // Python again
      }
    }
  }
  return [ViewPlugin.fromClass(Watcher), loadHint, Prec.high(keymap.of(keys))];
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
