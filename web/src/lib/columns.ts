// The columns of the tables of domains and hosts: what each is called, sorted by, and how it reads.
import type { Domain, Figures, Host, Quantity } from './api';
import { ago, figure } from './format';
import type { Cell } from './sort';

export interface Column<Row> {
  /** As in the address and in searches. */
  key: string;
  title: string;
  help?: string;
  /** Of a number, as the catalogue has it; a text has none. */
  unit?: string;
  /** What the column is sorted and searched by. */
  value: (row: Row) => Cell;
  /** How that reads, where nothing draws it. */
  text?: (row: Row) => string;
  left?: boolean;
  /** Whether it is shown where nobody chose. */
  standard?: boolean;
  /** Who draws it, where it is not a text. */
  shape?: 'name' | 'state' | 'host' | 'meter' | 'spark';
}

type Known = (name: string) => Quantity | undefined;

function word<Row>(
  key: string,
  title: string,
  value: (row: Row) => string | null,
  more: Partial<Column<Row>> = {},
): Column<Row> {
  return { key, title, left: true, value, text: (row) => value(row) ?? '', ...more };
}

function figures<Row extends { figures: Figures }>(known: Known) {
  return (key: string, name: string, more: Partial<Column<Row>> = {}): Column<Row> => {
    const quantity = known(name);
    const unit = quantity?.unit ?? 'count';
    return {
      key,
      title: quantity?.label ?? name,
      help: quantity?.help ?? '',
      unit,
      value: (row) => row.figures[name] ?? null,
      text: (row) => figure(row.figures[name], unit),
      ...more,
    };
  };
}

const TROUBLES = ['net_receive_errors', 'net_transmit_errors', 'net_receive_drops', 'net_transmit_drops'];

/** Known figures added up; null where none is known. */
export function total(of: Figures, names: readonly string[]): number | null {
  const known = names.map((name) => of[name]).filter((value) => typeof value === 'number');
  return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
}

/** The longer of the two latencies. */
export function latency(of: Figures): number | null {
  const known = [of['disk_read_latency'], of['disk_write_latency']].filter(
    (value) => typeof value === 'number',
  );
  return known.length ? Math.max(...known) : null;
}

export function domainColumns(
  known: Known,
  spark: (id: string) => readonly (number | null)[],
): Column<Domain>[] {
  const of = figures<Domain>(known);
  const on = { standard: true };
  const shown: Column<Domain>[] = [
    word('name', 'Name', (domain) => domain.name, { shape: 'name', ...on }),
    word('state', 'State', (domain) => domain.state, { shape: 'state', ...on }),
    word('host', 'Host', (domain) => domain.host_name, { shape: 'host', ...on }),
    word('project', 'Project', (domain) => domain.facts.project, on),
    of('vcpus', 'vcpus', on),
    of('cpu', 'cpu_ratio', { shape: 'meter', ...on }),
    of('cores', 'cpu_cores', on),
    {
      key: 'trend',
      title: 'Last minutes',
      help: 'CPU in the last minutes; sorted by the newest',
      left: true,
      value: (domain) => spark(domain.id).at(-1) ?? null,
      shape: 'spark',
      ...on,
    },
    of('steal', 'steal_ratio', on),
    of('memory', 'memory_current', on),
    of('used', 'memory_used_ratio', { shape: 'meter', ...on }),
    of('read', 'disk_read', on),
    of('write', 'disk_write', on),
    {
      key: 'latency',
      title: 'Disk latency',
      help: 'The longer of the times that a read and a write took on average',
      unit: 'seconds',
      value: (domain) => latency(domain.figures),
      text: (domain) => figure(latency(domain.figures), 'seconds'),
      ...on,
    },
    of('in', 'net_receive', on),
    of('out', 'net_transmit', on),
    {
      key: 'troubles',
      title: 'Errors, drops',
      help: 'Packets per second that failed or were dropped, both ways',
      unit: 'per_second',
      value: (domain) => total(domain.figures, TROUBLES),
      text: (domain) => figure(total(domain.figures, TROUBLES), 'per_second'),
      ...on,
    },
    word('owner', 'Owner', (domain) => domain.facts.owner),
    word('flavor', 'Flavor', (domain) => domain.facts.flavor),
    word('instance', 'Instance', (domain) => domain.facts.instance_name),
    word('title', 'Title', (domain) => domain.title),
    word('arch', 'Architecture', (domain) => domain.facts.arch),
    word('machine', 'Machine', (domain) => domain.facts.machine),
    word('reason', 'State reason', (domain) => domain.state_reason),
    word('stale', 'Stale', (domain) => (domain.stale ? 'yes' : 'no')),
    word('id', 'Id', (domain) => domain.id),
  ];
  const more = [
    'memory_maximum',
    'memory_used',
    'memory_cache',
    'memory_rss',
    'swap_in',
    'swap_out',
    'major_faults',
    'disk_read_requests',
    'disk_write_requests',
    'disk_read_latency',
    'disk_write_latency',
    'net_receive_packets',
    'net_transmit_packets',
    ...TROUBLES,
  ].map((name) => of(name, name));
  return [...shown, ...more];
}

export function hostColumns(known: Known, now: () => number): Column<Host>[] {
  const of = figures<Host>(known);
  const on = { standard: true };
  return [
    word('name', 'Name', (host) => host.name, { shape: 'name', ...on }),
    word('state', 'State', (host) => host.state, { shape: 'state', ...on }),
    of('cpus', 'cpus', on),
    of('cpu', 'cpu_ratio', { shape: 'meter', ...on }),
    of('steal', 'steal_cores', on),
    of('load', 'load1', on),
    of('vcpu_overcommit', 'vcpu_overcommit', on),
    of('memory', 'memory_total', on),
    of('used', 'memory_used_ratio', { shape: 'meter', ...on }),
    of('memory_overcommit', 'memory_overcommit', on),
    of('cpu_pressure', 'pressure_cpu_some', on),
    of('io_pressure', 'pressure_io_some', on),
    { key: 'running', title: 'Running', unit: 'count', value: (host) => host.domains.running, ...on },
    { key: 'domains', title: 'Domains', unit: 'count', value: (host) => host.domains.total, ...on },
    {
      key: 'seen',
      title: 'Seen',
      unit: 'seconds',
      value: (host) => (host.last_seen === null ? null : Math.max(0, now() - host.last_seen)),
      text: (host) => ago(host.last_seen, now()),
      ...on,
    },
    word('reason', 'Reason', (host) => (host.state === 'up' ? null : host.reason), on),
    of('iowait', 'iowait_ratio'),
    of('swap', 'swap_used'),
    of('memory_pressure', 'pressure_memory_some'),
    of('guests_cpu', 'guests_cpu_cores'),
    of('guests_memory', 'guests_memory'),
    of('collect_time', 'collect_time'),
    word('agent', 'Agent', (host) => host.agent),
    word('model', 'CPU model', (host) => host.facts?.cpu_model ?? null),
    word('hypervisor', 'Hypervisor', (host) => host.facts?.hypervisor ?? null),
    word('libvirt', 'libvirt', (host) => host.facts?.libvirt ?? null),
    word('uri', 'URI', (host) => host.uri),
    word('id', 'Id', (host) => host.id),
  ];
}
