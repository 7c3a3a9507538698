/** The script of the report of a run's exits. */
import { grouped } from '../format.js';
import type { EmbeddedExits, ReportWords } from '../page-data.js';
import { DetailPanel } from './detail.js';
import { byId, element } from './dom.js';
import { embedded, exitsOf } from './embedded.js';
import { exitDetail } from './exit-detail.js';
import { exitLanes } from './exit-lanes.js';
import { Timeline } from './timeline.js';
import { ViewTable } from './view-table.js';

async function start(): Promise<void> {
  const host = byId('timeline');
  const words = embedded<ReportWords>('words');
  const table = await exitsOf(embedded<EmbeddedExits>('exits'));
  const lanes = exitLanes(table);
  if (lanes.length === 0) {
    host.append(element('p', { class: 'note' }, 'No exit was recorded.'));
    return;
  }
  const chart = element('div');
  host.append(chart);
  const panel = new DetailPanel(
    host,
    (by) => timeline.step(by),
    () => timeline.focus(),
  );
  let onView = () => {};
  const timeline = new Timeline(chart, {
    lanes,
    label: `Timeline of ${grouped(table.length)} exits`,
    onSelect: ({ lane, slice }, wantsDetail) => {
      const chosen = lanes[lane];
      if (chosen !== undefined) panel.show(exitDetail(chosen, slice, words), wantsDetail);
    },
    onView: () => onView(),
  });
  const viewTable = new ViewTable(host, lanes, timeline.view, (selection) => timeline.select(selection, true));
  onView = () => viewTable.update();
  document.documentElement.dataset.ready = 'yes';
}

start().catch((error: unknown) => {
  byId('timeline').append(element('p', { class: 'warning' }, `The timeline cannot be shown: ${String(error)}`));
});
