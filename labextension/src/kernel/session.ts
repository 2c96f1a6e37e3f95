/** One notebook's conversation with its kernel about the cells that are assembly. */
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { PartialJSONObject } from '@lumino/coreutils';
import type { EditorView } from '@codemirror/view';
import { hasBlankBody, kindOfState } from '../language/kind';
import { Finding, Snippet, requestFindings, requestInspection, requestSnippets } from './protocol';

/** What the kernel says about a cell; `loaded`: whether it has the extension. */
export interface Answer {
  loaded: boolean;
  findings: Finding[];
  snippets: Snippet[];
}

/** Takes an answer about the text that an editor still has. */
export type Deliver = (view: EditorView, answer: Answer) => void;

const GONE = new Set<Kernel.Status>(['restarting', 'autorestarting', 'terminating', 'dead', 'unknown']);

/**
 * Asks one question at a time, and only while the kernel has nothing else to do.
 *
 * A question that waits behind a running cell would be answered minutes later, and would stand before the next cell.
 */
export class Session {
  /** Whether the kernel has the extension; null: it has not been asked yet. */
  private loaded: boolean | null = null;
  private readonly views = new Set<EditorView>();
  private readonly waiting = new Set<EditorView>();
  /** The question that is on its way; an answer to another one comes too late. */
  private asked: object | null = null;
  /** Cells that are to run: the kernel's status says so only when it has begun with the first. */
  private readonly scheduled = new Set<Cell>();

  constructor(
    readonly panel: NotebookPanel,
    private readonly deliver: Deliver
  ) {
    const { sessionContext } = panel;
    sessionContext.kernelChanged.connect(() => this.begin());
    sessionContext.connectionStatusChanged.connect(() => void this.next());
    sessionContext.statusChanged.connect((_, status) => (GONE.has(status) ? this.begin() : void this.next()));
  }

  /** Ask about an editor's text as soon as the kernel is free. */
  ask(view: EditorView): void {
    this.views.add(view);
    this.waiting.add(view);
    void this.next();
  }

  forget(view: EditorView): void {
    this.views.delete(view);
    this.waiting.delete(view);
  }

  willRun(cell: Cell): void {
    this.scheduled.add(cell);
  }

  /** The extension may be loaded now, or gone, and names may mean something else. */
  hasRun(cell: Cell): void {
    this.scheduled.delete(cell);
    this.askAgain();
  }

  /** What the kernel says about a place in the text; null where it is busy or knows nothing. */
  async inspect(view: EditorView, offset: number): Promise<PartialJSONObject | null> {
    const kernel = this.idleKernel();
    if (!kernel || !this.loaded) {
      return null;
    }
    const { doc } = view.state;
    const answer = await requestInspection(kernel, doc.toString(), offset);
    return view.state.doc.eq(doc) ? answer : null;
  }

  /** Another kernel, or the same one from the start: nothing is known of it. */
  private begin(): void {
    this.asked = null;
    this.loaded = null;
    this.scheduled.clear();
    this.askAgain();
  }

  private askAgain(): void {
    this.views.forEach(view => this.waiting.add(view));
    void this.next();
  }

  private idleKernel(): Kernel.IKernelConnection | null {
    const kernel = this.panel.sessionContext.session?.kernel;
    const idle = kernel?.status === 'idle' && kernel.connectionStatus === 'connected';
    // A cell that was deleted while it ran is never reported as executed.
    return idle && Array.from(this.scheduled).every(cell => cell.isDisposed) ? kernel : null;
  }

  private async next(): Promise<void> {
    const kernel = this.idleKernel();
    const [view] = this.waiting;
    if (this.asked || !kernel || !view) {
      return;
    }
    this.waiting.delete(view);
    const question = (this.asked = {});
    const { doc } = view.state;
    // A kernel that ends meanwhile breaks its promises; `begin` has seen to the rest.
    const answer = await this.answer(kernel, view).catch(() => null);
    if (this.asked !== question) {
      return;
    }
    this.asked = null;
    if (answer) {
      this.loaded = answer.loaded;
      if (this.views.has(view) && view.state.doc.eq(doc)) {
        this.deliver(view, answer);
      }
    }
    void this.next();
  }

  private async answer(kernel: Kernel.IKernelConnection, { state }: EditorView): Promise<Answer | null> {
    if (!kindOfState(state) || (await kernel.info).language_info.name !== 'python') {
      return null;
    }
    const cell = state.doc.toString();
    const findings = await requestFindings(kernel, cell);
    const snippets = findings && hasBlankBody(state) ? await requestSnippets(kernel, cell) : [];
    return { loaded: findings !== null, findings: findings ?? [], snippets };
  }
}
