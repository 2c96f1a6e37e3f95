/** The plugin that makes code cells assembly editors. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ICellModel } from '@jupyterlab/cells';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker, Notebook, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { EditorView } from '@codemirror/view';
import { hover } from './kernel/hover';
import { Session } from './kernel/session';
import { show, watch } from './kernel/watch';
import { followText } from './language/follow';

export const editor: JupyterFrontEndPlugin<void> = {
  id: 'execmem-kernel:editor',
  description: 'Assembly in %%asm cells: colours, columns, line numbers, errors as you type, explanations.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, INotebookTracker],
  activate: (_app: JupyterFrontEnd, extensions: IEditorExtensionRegistry, tracker: INotebookTracker) => {
    const sessions = new WeakMap<NotebookPanel, Session>();
    const findSession = (view: EditorView): Session | null => {
      const panel = tracker.find(candidate => candidate.node.contains(view.dom));
      if (!panel) {
        return null;
      }
      let session = sessions.get(panel);
      if (!session) {
        sessions.set(panel, (session = new Session(panel, show)));
      }
      return session;
    };
    const sessionOf = (notebook: Notebook): Session | undefined => {
      const panel = tracker.find(candidate => candidate.content === notebook);
      return panel && sessions.get(panel);
    };
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => sessionOf(notebook)?.willRun(cell));
    NotebookActions.executed.connect((_, { notebook, cell }) => sessionOf(notebook)?.hasRun(cell));
    extensions.addExtension({
      name: 'execmem-kernel:assembly',
      factory: ({ model }) =>
        (model as Partial<ICellModel>).type === 'code'
          ? EditorExtensionRegistry.createImmutableExtension([
              followText(model.sharedModel.getSource()),
              watch(findSession),
              hover(findSession)
            ])
          : null
    });
  }
};
