/** The plugin that makes code cells assembly editors. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ICellModel } from '@jupyterlab/cells';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { EditorView } from '@codemirror/view';
import { hover } from './kernel/hover';
import { Session } from './kernel/session';
import { snippets } from './kernel/snippets';
import { show, watch } from './kernel/watch';
import { followText } from './language/follow';

export const editor: JupyterFrontEndPlugin<void> = {
  id: 'execmem-kernel:editor',
  description: 'Assembly in %%asm cells: colours, columns, line numbers, errors as you type, explanations.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, INotebookTracker],
  activate: (app: JupyterFrontEnd, extensions: IEditorExtensionRegistry, tracker: INotebookTracker) => {
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
    NotebookActions.executed.connect((_, { notebook }) => {
      const panel = tracker.find(candidate => candidate.content === notebook);
      (panel && sessions.get(panel))?.ran();
    });
    extensions.addExtension({
      name: 'execmem-kernel:assembly',
      factory: ({ model }) =>
        (model as Partial<ICellModel>).type === 'code'
          ? EditorExtensionRegistry.createImmutableExtension([
              followText(model.sharedModel.getSource()),
              watch(findSession),
              hover(findSession),
              snippets(() => void app.commands.execute('completer:invoke-notebook'))
            ])
          : null
    });
  }
};
