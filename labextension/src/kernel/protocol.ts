/** What is asked of the kernel, and how it answers. The other side is execmem_kernel/editor/. */
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { PartialJSONObject } from '@lumino/coreutils';

export interface Replacement {
  label: string;
  from: number;
  to: number;
  insert: string;
}

/** One error or warning. Offsets count from the beginning of the cell, in UTF-16 units as CodeMirror does. */
export interface Finding {
  severity: 'error' | 'warning';
  code: string;
  message: string;
  hint: string;
  forms: string[];
  from: number;
  to: number;
  replacements: Replacement[];
}

const FINDINGS = 'application/vnd.execmem.diagnostics+json';
const VERSION = 1;
/** A detail level that nobody else uses: the kernel takes such a request for ours. */
const LEVEL = 100;

/**
 * The findings about a cell, or null where the extension is not loaded in the kernel.
 *
 * An inspection, because it touches neither the execution count nor the history, and because one on the main shell
 * leaves the kernel's status true: by a comm or a subshell the page would say "Idle" while a cell runs.
 */
export async function requestFindings(kernel: Kernel.IKernelConnection, cell: string): Promise<Finding[] | null> {
  const answer = await inspect(kernel, cell, 0, LEVEL);
  const data = answer?.[FINDINGS] as { version: number; diagnostics: Finding[] } | undefined;
  if (!data) {
    return null;
  }
  return data.version === VERSION ? data.diagnostics : [];
}

/** A program to begin with: what it does, and what to write where. */
export interface Snippet {
  title: string;
  from: number;
  to: number;
  insert: string;
}

/** The programs that the kernel offers for a cell in which nothing stands yet. */
export async function requestSnippets(kernel: Kernel.IKernelConnection, cell: string): Promise<Snippet[]> {
  const { content } = await kernel.requestComplete({ code: cell, cursor_pos: Array.from(cell).length });
  if (content.status !== 'ok') {
    return [];
  }
  const offered = (content.metadata._jupyter_types_experimental ?? []) as unknown as {
    start: number;
    end: number;
    text: string;
    type: string;
    signature: string;
  }[];
  return offered
    .filter(({ type }) => type === 'snippet')
    .map(({ start, end, text, signature }) => ({
      title: signature,
      from: offsetOf(cell, start),
      to: offsetOf(cell, end),
      insert: text
    }));
}

/** Jupyter's protocol counts code points, CodeMirror counts UTF-16 units. */
function offsetOf(cell: string, position: number): number {
  return Array.from(cell).slice(0, position).join('').length;
}

/** What the kernel says about a place in a cell, by mime type; null where it says nothing. */
export function requestInspection(
  kernel: Kernel.IKernelConnection,
  cell: string,
  offset: number
): Promise<PartialJSONObject | null> {
  return inspect(kernel, cell, Array.from(cell.slice(0, offset)).length, 0); // the protocol counts code points
}

async function inspect(
  kernel: Kernel.IKernelConnection,
  code: string,
  position: number,
  level: number
): Promise<PartialJSONObject | null> {
  const reply = (await kernel.requestInspect({
    code,
    cursor_pos: position,
    detail_level: level as 0 // its type knows 0 and 1; the protocol says "integer"
  })) as KernelMessage.IInspectReplyMsg;
  return reply.content.status === 'ok' && reply.content.found ? reply.content.data : null;
}
