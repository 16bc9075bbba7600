// @ts-check
// Owns the picture: TIME_WAIT and failures over time, as an SVG that needs no browser to be made.

import * as charts from 'echarts/charts';
import * as components from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([
  charts.LineChart,
  components.GridComponent,
  components.LegendComponent,
  components.MarkLineComponent,
  components.TitleComponent,
  SVGRenderer,
]);

/** Dark text on white, whatever the page behind it is; both colours differ in lightness too. */
const background = '#ffffff';
const ink = '#1f2328';
const colours = ['#cf222e', '#0969da'];
const font = 'system-ui, sans-serif';

/**
 * @param {import('./churn.mjs').ChurnRun[]} runs
 * @param {import('./stage.mjs').Stage['range']} range
 * @returns {string} an SVG document
 */
export function renderChart(runs, range) {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 560 });
  try {
    chart.setOption(optionOf(runs, range));
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}

/**
 * @param {import('./churn.mjs').ChurnRun[]} runs
 * @param {import('./stage.mjs').Stage['range']} range
 */
function optionOf(runs, range) {
  const series = runs.flatMap((run, at) => [
    lineOf(run, at, 0, (sample) => sample.timeWait),
    lineOf(run, at, 1, (sample) => sample.failed),
  ]);
  const first = series[0];
  const limit = {
    silent: true,
    symbol: 'none',
    lineStyle: { color: ink, type: 'dashed' },
    label: { formatter: `all ${range.ports} ports`, position: 'insideEndTop', color: ink },
    data: [{ yAxis: range.ports }],
  };
  const text = { color: ink, fontFamily: font };
  return {
    animation: false,
    backgroundColor: background,
    textStyle: text,
    title: [
      titled('TIME_WAIT sockets of the client host towards the mail server', 12),
      titled('Failed sessions so far', 314),
    ],
    legend: { top: 38, left: 60, itemGap: 40, icon: 'roundRect', data: runs.map(nameOf), textStyle: text },
    grid: [
      { left: 70, right: 30, top: 76, height: 190 },
      { left: 70, right: 30, top: 352, height: 140 },
    ],
    xAxis: [0, 1].map((gridIndex) => ({
      gridIndex,
      type: 'value',
      min: 0,
      name: gridIndex === 1 ? 'seconds since the start of each run' : '',
      nameLocation: 'middle',
      nameGap: 30,
      ...axisStyle(),
    })),
    yAxis: [0, 1].map((gridIndex) => ({ gridIndex, type: 'value', min: 0, ...axisStyle() })),
    series: first === undefined ? [] : [{ ...first, markLine: limit }, ...series.slice(1)],
  };
}

/**
 * @param {import('./churn.mjs').ChurnRun} run
 * @param {number} at
 * @param {number} axis
 * @param {(sample: import('./sampler.mjs').Sample) => number} pick
 */
function lineOf(run, at, axis, pick) {
  return {
    name: nameOf(run),
    type: 'line',
    xAxisIndex: axis,
    yAxisIndex: axis,
    showSymbol: false,
    color: colours[at % colours.length],
    lineStyle: { width: 2.5 },
    data: run.timeline.map((sample) => [sample.ms / 1_000, pick(sample)]),
  };
}

/** @param {import('./churn.mjs').ChurnRun} run */
function nameOf({ label, succeeded, started }) {
  return `${label}: ${succeeded} of ${started} sessions succeeded`;
}

/**
 * @param {string} text
 * @param {number} top
 */
function titled(text, top) {
  return { text, top, left: 20, textStyle: { color: ink, fontFamily: font, fontSize: 15, fontWeight: 600 } };
}

function axisStyle() {
  return {
    axisLabel: { color: ink, fontFamily: font },
    axisLine: { show: true, lineStyle: { color: ink } },
    nameTextStyle: { color: ink, fontFamily: font },
    splitLine: { lineStyle: { color: '#d8dee4' } },
  };
}
