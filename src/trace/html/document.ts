import { createHash } from 'node:crypto';
import { pageScript } from '../page-script.js';
import { codeForScript, Html, html, jsonForScript } from './escape.js';
import { STYLES } from './theme.js';

export interface HtmlDocument {
  readonly title: string;
  readonly body: Html;
  /** "en", if not given. */
  readonly language?: string;
  /** Beside those of all pages. */
  readonly styles?: string;
  /** Which of the scripts in page/ runs: its name without an ending. A page may do without. */
  readonly script?: string;
  /** For the script, by the ids of the elements that hold it. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * One file that needs no other. Its policy lets it load nothing, and run nothing but its own script.
 * @throws VmError SETUP_FAILED where the scripts are not built
 */
export function htmlDocument({ title, body, language = 'en', styles = '', script, data = {} }: HtmlDocument): string {
  const code = script === undefined ? undefined : codeForScript(pageScript(script));
  const scripts = code === undefined ? "'none'" : hash(code);
  const policy = `default-src 'none'; base-uri 'none'; form-action 'none'; style-src ${hash(STYLES + styles)}; script-src ${scripts}`;
  const elements = Object.entries(data).map(
    ([id, value]) => html`<script type="application/json" id="${id}">${new Html(jsonForScript(value))}</script>\n`,
  );
  return html`<!doctype html>
<html lang="${language}"${code === undefined ? html` data-ready="yes"` : ''}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="vmlaunch">
<title>${title}</title>
<style>${new Html(STYLES + styles)}</style>
</head>
<body>
${body}
${elements}${code === undefined ? '' : html`<script>${new Html(code)}</script>\n`}</body>
</html>
`.text;
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
