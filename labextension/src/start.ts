/** The plugin with places to begin: a section in the launcher, commands in the palette. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget } from '@jupyterlab/apputils';
import { PageConfig, PathExt, URLExt } from '@jupyterlab/coreutils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';
import { Contents, ServerConnection } from '@jupyterlab/services';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { firstLightIcon, newNotebookIcon, referenceIcon } from './icons';

const CATEGORY = 'Assembly';
/** The kernel of the wheel that has the extension loaded; elsewhere a cell loads it. */
const KERNEL = 'execmem';

export const start: JupyterFrontEndPlugin<void> = {
  id: 'execmem-kernel:start',
  description: 'A new assembly notebook, the first notebook and the reference, in the launcher and the palette.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ILauncher, ICommandPalette, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null
  ) => {
    const folder = (args: ReadonlyPartialJSONObject): string =>
      typeof args.cwd === 'string' ? args.cwd : (browser?.model.path ?? '');
    const open = (path: string): Promise<unknown> =>
      app.commands.execute('docmanager:open', { path, factory: 'Notebook' });
    const { commands } = app;

    commands.addCommand('execmem:new-notebook', {
      label: 'New assembly notebook',
      caption: 'A notebook that begins with an assembly cell',
      icon: newNotebookIcon,
      execute: async args => {
        const { contents, kernelspecs } = app.serviceManager;
        await kernelspecs.ready;
        const known = kernelspecs.specs?.kernelspecs[KERNEL] !== undefined;
        return open(await save(contents, folder(args), 'assembly', emptyNotebook(known)));
      }
    });
    commands.addCommand('execmem:first-light', {
      label: 'First light',
      caption: 'The first notebook, as a file of yours',
      icon: firstLightIcon,
      execute: async args => {
        const notebook: unknown = JSON.parse(await shipped('first-light.ipynb'));
        const { contents } = app.serviceManager;
        return open(await save(contents, folder(args), 'first-light', notebook, { again: true }));
      }
    });
    commands.addCommand('execmem:reference', {
      label: 'Reference',
      caption: 'What the assembler takes, and what happens when a cell runs',
      icon: referenceIcon,
      execute: async () => {
        const pages = await Promise.all(['assembler.md', 'running.md'].map(shipped));
        return showReference(app, rendermime, pages.join('\n'));
      }
    });
    ['execmem:new-notebook', 'execmem:first-light', 'execmem:reference'].forEach((command, rank) => {
      launcher?.add({ command, category: CATEGORY, rank });
      palette?.addItem({ command, category: CATEGORY, rank });
    });
  }
};

/** A file that lies beside the bundle, from the notebook server itself. */
async function shipped(name: string): Promise<string> {
  const settings = ServerConnection.makeSettings();
  const path = URLExt.join(PageConfig.getOption('fullLabextensionsUrl'), 'execmem-kernel', name);
  const url = new URL(path, settings.baseUrl).href;
  const response = await ServerConnection.makeRequest(url, {}, settings);
  if (!response.ok) {
    throw new ServerConnection.ResponseError(response);
  }
  return response.text();
}

/**
 * Save a notebook in a folder or, where that cannot be written, at the top; its path.
 *
 * Nothing is overwritten: another name is found, or, where the same notebook is wanted again, the one that is there.
 */
async function save(
  contents: Contents.IManager,
  folder: string,
  name: string,
  content: unknown,
  { again = false } = {}
): Promise<string> {
  const write = async (where: string): Promise<string> => {
    const { content: entries } = (await contents.get(where)) as { content: Contents.IModel[] };
    const taken = new Set(entries.map(entry => entry.name));
    let file = `${name}.ipynb`;
    if (again && taken.has(file)) {
      return PathExt.join(where, file);
    }
    for (let number = 2; taken.has(file); number++) {
      file = `${name}-${number}.ipynb`;
    }
    const path = PathExt.join(where, file);
    await contents.save(path, { type: 'notebook', format: 'json', content });
    return path;
  };
  try {
    return await write(folder);
  } catch (refused) {
    if (folder === '') {
      throw refused;
    }
    return write('');
  }
}

function emptyNotebook(known: boolean): unknown {
  const cell = (id: string, source: string): unknown => ({
    cell_type: 'code',
    id,
    source,
    metadata: {},
    outputs: [],
    execution_count: null
  });
  const kernelspec = known
    ? { name: KERNEL, display_name: 'Assembly (x86-64)', language: 'python' }
    : { name: 'python3', display_name: 'Python 3', language: 'python' };
  const cells = known ? [] : [cell('load', '%load_ext execmem_kernel')];
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec },
    cells: [...cells, cell('program', '%%asm\n')]
  };
}

async function showReference(app: JupyterFrontEnd, rendermime: IRenderMimeRegistry, text: string): Promise<void> {
  const mime = 'text/markdown';
  const content = rendermime.createRenderer(mime);
  await content.renderModel(new MimeModel({ data: { [mime]: text } }));
  content.addClass('execmem-reference');
  const widget = new MainAreaWidget({ content });
  widget.id = 'execmem-reference';
  widget.title.label = 'Assembly reference';
  widget.title.icon = referenceIcon;
  widget.title.closable = true;
  const shell = app.shell as JupyterFrontEnd.IShell & { expandRight?: (id: string) => void };
  for (const area of ['main', 'right']) {
    for (const open of shell.widgets(area)) {
      if (open.id === widget.id) {
        widget.dispose();
        shell.activateById(open.id);
        return;
      }
    }
  }
  if (shell.expandRight && app.name !== 'JupyterLab') {
    shell.add(widget, 'right'); // Notebook 7 has one document in its main area
    shell.expandRight(widget.id);
  } else {
    shell.add(widget, 'main');
  }
  shell.activateById(widget.id);
}
