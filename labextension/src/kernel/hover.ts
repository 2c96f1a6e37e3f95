/** What the kernel says about the word under the pointer, as Shift+Tab shows it. */
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { MimeModel } from '@jupyterlab/rendermime';
import type { PartialJSONObject } from '@lumino/coreutils';
import { Extension } from '@codemirror/state';
import { TooltipView, hoverTooltip } from '@codemirror/view';
import { kindOfState } from '../language/kind';
import type { FindSession } from './watch';

export function hover(findSession: FindSession): Extension {
  return hoverTooltip(
    async (view, pos) => {
      const session = kindOfState(view.state) ? findSession(view) : null;
      const answer = await session?.inspect(view, pos);
      if (!session || !answer) {
        return null;
      }
      const word = view.state.wordAt(pos) ?? { from: pos, to: pos };
      const tooltip = await render(session.panel.content.rendermime, answer);
      return tooltip && { pos: word.from, end: word.to, above: true, create: () => tooltip };
    },
    { hideOnChange: true }
  );
}

/** The answer drawn by JupyterLab, which takes scripts and foreign styles out of it. */
async function render(rendermime: IRenderMimeRegistry, data: PartialJSONObject): Promise<TooltipView | null> {
  const mime = rendermime.preferredMimeType(data, 'any');
  if (!mime) {
    return null;
  }
  const drawn = rendermime.createRenderer(mime);
  await drawn.renderModel(new MimeModel({ data }));
  drawn.addClass('execmem-hover');
  return { dom: drawn.node, destroy: () => drawn.dispose() };
}
