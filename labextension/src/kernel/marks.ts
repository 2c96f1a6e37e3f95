/** Findings as marks under the text, with the report's own words and what can be done at once. */
import { Action, Diagnostic } from '@codemirror/lint';
import type { EditorView } from '@codemirror/view';
import type { Finding, Replacement } from './protocol';

export function markOf(finding: Finding): Diagnostic {
  return {
    from: finding.from,
    to: finding.to,
    severity: finding.severity,
    message: [finding.message, ...remarks(finding)].join('\n'),
    renderMessage: () => messageNode(finding),
    actions: finding.replacements.map(replacement => actionOf(finding, replacement))
  };
}

/** What stands below the message. */
function remarks(finding: Finding): string[] {
  const hint = finding.hint ? [`hint: ${finding.hint}`] : [];
  return [...hint, ...finding.forms.map(form => `form: ${form}`)];
}

function messageNode(finding: Finding): Node {
  const node = document.createElement('div');
  const line = (text: string, name: string): void => {
    const made = document.createElement('div');
    made.className = name;
    made.textContent = text;
    node.append(made);
  };
  const code = finding.code && ` ${finding.code}`;
  line(`${finding.severity}${code}: ${finding.message}`, 'execmem-message');
  remarks(finding).forEach(text => line(text, 'execmem-remark'));
  return node;
}

function actionOf(finding: Finding, replacement: Replacement): Action {
  return {
    name: `write ${replacement.label}`,
    // The mark has moved with the text since; what is to be replaced lies where it lay, seen from there.
    apply: (view: EditorView, from: number) => replace(view, replacement, from - finding.from)
  };
}

function replace(view: EditorView, { from, to, insert }: Replacement, moved: number): void {
  view.dispatch({ changes: { from: from + moved, to: to + moved, insert }, userEvent: 'input.complete' });
  view.focus();
}
