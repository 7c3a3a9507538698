import { describe, expect, it } from 'vitest';
import { codeForScript, html, jsonForScript } from '../../../src/trace/html/escape.js';
import { ExitTable } from '../../../src/trace/html/exit-table.js';
import { duration, grouped, moment, percent } from '../../../src/trace/html/format.js';
import { htmlReport } from '../../../src/trace/html/report.js';
import { Summary } from '../../../src/trace/summary.js';
import { madeUpRun } from './events.js';

const HOSTILE = '</script><!--<script>alert(1)</script><img src=x onerror=alert(2)>"\'&\u2028\u202e\u0007';

describe('escaping', () => {
  it('leaves no markup of a guest’s text', () => {
    expect(html`<td title="${HOSTILE}">${HOSTILE}</td>`.text).not.toMatch(/<(?!\/?td)|[\p{Cc}\u2028\u202e]/u);
    expect(html`<b>${'a < b'}</b>${[html`<i>${1}</i>`, html`&amp;`]}`.text).toBe('<b>a &lt; b</b><i>1</i>&amp;');
  });

  it('shows control characters, and those that turn the direction of writing', () => {
    expect(html`${'a\u202eb\u0000c'}`.text).toBe('a\\u{202e}b\\u{0}c');
  });

  it('of JSON keeps its value and cannot end a script', () => {
    const text = jsonForScript({ [HOSTILE]: HOSTILE });
    expect(text).not.toMatch(/[<>&\u2028\u2029]/);
    expect(JSON.parse(text)).toEqual({ [HOSTILE]: HOSTILE });
  });

  it('of code keeps its meaning', () => {
    const code = codeForScript("'</script><!--'");
    expect(code).not.toMatch(/<\/script|<!--/);
    expect(new Function(`return ${code}`)()).toBe('</script><!--');
  });
});

describe('numbers for people', () => {
  it('have three digits and a unit', () => {
    expect([0, 850, 1234, 99_960, 12_345_678, 9_996_000, 2e9, 999_999].map(duration)).toEqual([
      '0 ns',
      '850 ns',
      '1.23 µs',
      '100 µs',
      '12.3 ms',
      '10.0 ms',
      '2.00 s',
      '1.00 ms',
    ]);
    expect([grouped(1234567), grouped(999), moment(1_234_567), percent(0.375), percent(0.00001), percent(0)]).toEqual([
      '1,234,567',
      '999',
      '1,234.567 µs',
      '37.5 %',
      '< 0.1 %',
      '0.0 %',
    ]);
  });
});

function reportOf(count: number, title = 'kernel', mostExits = 200_000): string {
  const exits = new ExitTable({ mostExits });
  const summary = new Summary();
  for (const event of madeUpRun(count)) {
    exits.add(event);
    summary.add(event);
  }
  const instructions = new Map([['0x100000', { symbol: HOSTILE, text: HOSTILE }]]);
  return htmlReport({
    title,
    host: 'local',
    flavour: 'kvm_intel',
    date: new Date(0),
    exits,
    summary: summary.result(),
    instructions,
  });
}

describe('a report', () => {
  it('asks for no other file', () => {
    const page = reportOf(10);
    expect(page).not.toMatch(/<[a-z][^>]* (src|href|srcset|action|style)=|url\((?!#)|@import|https?:/);
    expect(page).toContain("default-src 'none'");
  });

  it('escapes what came from the guest and from the command line', () => {
    const page = reportOf(10, HOSTILE);
    expect(page.match(/<script/g)).toHaveLength(3);
    expect(page.match(/<\/script>/g)).toHaveLength(3);
    expect(page).not.toMatch(/<!--|<img|onerror=alert\(2\)>/);
    expect(page).toContain('&lt;img src=x');
  });

  it('says what was left out', () => {
    expect(reportOf(50)).not.toContain('left out');
    expect(reportOf(50, 'kernel', 20)).toContain('The timeline has the first 20 returns; 30 more were left out.');
  });

  it('of a run without exits says so', () => {
    expect(reportOf(0)).toContain('<p class="note">None.</p>');
    expect(reportOf(0).replace(/<script>.*<\/script>/s, '')).not.toMatch(/NaN|undefined|Infinity/);
  });
});
