/** One notebook's conversation with its kernel about the cells that are assembly. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { PartialJSONObject } from '@lumino/coreutils';
import type { EditorView } from '@codemirror/view';
import { kindOfState } from '../language/kind';
import { Finding, requestFindings, requestInspection } from './protocol';

/** Takes what the kernel found in the text that an editor still has; null: the extension is not loaded. */
export type Deliver = (view: EditorView, findings: Finding[] | null) => void;

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

  /** Something ran: the extension may be loaded now, or gone, and names may mean something else. */
  ran(): void {
    this.views.forEach(view => this.waiting.add(view));
    void this.next();
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
    this.ran();
  }

  private idleKernel(): Kernel.IKernelConnection | null {
    const kernel = this.panel.sessionContext.session?.kernel;
    return kernel?.status === 'idle' && kernel.connectionStatus === 'connected' ? kernel : null;
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
    let findings: Finding[] | null | undefined;
    if (kindOfState(view.state) && (await kernel.info).language_info.name === 'python') {
      // A kernel that ends meanwhile breaks its promises; `begin` has seen to the rest.
      findings = await requestFindings(kernel, doc.toString()).catch(() => undefined);
    }
    if (this.asked !== question) {
      return;
    }
    this.asked = null;
    if (findings !== undefined) {
      this.loaded = findings !== null;
      if (this.views.has(view) && view.state.doc.eq(doc)) {
        this.deliver(view, findings);
      }
    }
    void this.next();
  }
}
