// The API's shapes, as its OpenAPI document has them, and how it is asked. Times are Unix seconds, null is unknown.

export type Figures = Record<string, number | null>;
export type Scope = 'host' | 'cell' | 'pool' | 'domain' | 'vcpu' | 'disk' | 'nic';

export interface Info {
  version: string;
  demo: boolean;
  interval: number;
  keep_days: number;
  uris: string[];
  problem: string | null;
  dropped: number;
}
export interface Quantity {
  name: string;
  scope: Scope;
  unit: string;
  label: string;
  help: string;
}
export interface Host {
  id: string;
  name: string;
  uri: string;
  state: 'up' | 'down' | 'connecting';
  since: number | null;
  reason: string | null;
  last_seen: number | null;
  interval: number;
  agent: string | null;
  facts: {
    cpus: number | null;
    memory_bytes: number | null;
    cpu_model: string | null;
    topology: string | null;
    hypervisor: string | null;
    libvirt: string | null;
  } | null;
  domains: { total: number; running: number };
  figures: Figures;
}
export interface HostDetail extends Host {
  cells: { cell: number; figures: Figures }[];
}
export interface Domain {
  id: string;
  name: string;
  title: string | null;
  host: string;
  host_name: string;
  state: string;
  state_reason: string | null;
  stale: boolean;
  timed_out: boolean;
  sampled: number | null;
  interval: number | null;
  facts: {
    os_type: string | null;
    arch: string | null;
    machine: string | null;
    instance_name: string | null;
    flavor: string | null;
    project: string | null;
    owner: string | null;
    persistent: boolean;
    problem: string | null;
  };
  figures: Figures;
}
export interface Vcpu {
  vcpu: number;
  figures: Figures;
}
export interface Disk {
  target: string;
  device: string;
  type: string | null;
  source: string | null;
  bus: string | null;
  format: string | null;
  cache: string | null;
  readonly: boolean;
  figures: Figures;
}
export interface Nic {
  mac: string;
  target: string;
  type: string | null;
  source: string | null;
  model: string | null;
  filter: string | null;
  filter_parameters: Record<string, string>;
  figures: Figures;
}
export interface DomainDetail extends Domain {
  description: string | null;
  firmware: string | null;
  guest: { hostname: string | null; os: string | null; kernel: string | null; users: string[] } | null;
  jobs: { job: string; figures: Figures }[];
  filesystems: { mountpoint: string; figures: Figures }[];
  vcpus: Vcpu[];
  disks: Disk[];
  nics: Nic[];
  xml: string;
  persistent_xml: string | null;
}
/** How a domain was described from a time on. */
export interface Version {
  at: number;
  host: string;
  host_name: string;
  defined: boolean;
  changes: string[];
  xml: string | null;
}
/** A filter at its place in the tree. */
export interface Node {
  name: string;
  chain: string | null;
  priority: number | null;
  rules: {
    action: string;
    direction: string;
    priority: number;
    matches: { protocol: string; attributes: Record<string, string>; negated: boolean }[];
  }[];
  children: Node[];
  problem: string | null;
}
/** The filter of one interface. */
export interface Guard {
  mac: string;
  target: string;
  filter: string | null;
  parameters: Record<string, string>;
  tree: Node | null;
  missing: string[];
  binding: { filter: string | null; problem: string | null } | null;
  problem: string | null;
  forgeries: Forgery[];
}
/** A forged frame, walked through the rules of a filter. */
export interface Forgery {
  name: string;
  passes: boolean;
  /** Where the rule stands that decides: the children to go down by; null where none does. */
  place: number[] | null;
  rule: number | null;
}
export interface Pool {
  id: string;
  name: string;
  host: string;
  type: string | null;
  target: string | null;
  active: boolean;
  state: string;
  figures: Figures;
  volumes: { volume: string; figures: Figures }[];
  problem: string | null;
}
export interface Network {
  id: string;
  name: string;
  host: string;
  active: boolean;
  bridge: string | null;
  forward: string | null;
  leases: { mac: string; address: string; hostname: string | null; expires: number }[];
  problem: string | null;
}
export interface FilterSummary {
  id: string;
  name: string;
  host: string;
  chain: string | null;
  priority: number | null;
  references: string[];
  rules: number;
  interfaces: number;
  problem: string | null;
}
export interface Series {
  start: number;
  end: number;
  step: number;
  times: number[];
  series: {
    object: Record<string, string | number>;
    quantity: string;
    /** The average of each step. */
    points: (number | null)[];
    /** The highest reading of each step; null where it was not asked for, is not known, or is no other. */
    peaks: (number | null)[] | null;
  }[];
}
export interface Happening {
  at: number;
  host: string;
  host_name: string;
  domain: string | null;
  domain_name: string | null;
  kind: string;
  detail: string;
}

/** What went wrong, in the server's words, with its hint what to do. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export type Parameters = Record<string, string | number | readonly string[] | undefined>;

/** What the window hears when the server no longer knows who asks. */
export const SIGNED_OUT = 'virtscope:signed-out';

/** The answer of a path below /api/v1. Throws a Problem. */
export async function get<T>(path: string, parameters: Parameters = {}): Promise<T> {
  const response = await ask(address(path, parameters), { headers: { Accept: 'application/json' } });
  if (response.status === 401) dispatchEvent(new Event(SIGNED_OUT));
  if (response.ok) return (await response.json()) as T;
  throw await problem(response);
}

/** The answer to something sent to a path below /api/v1; undefined where there is none. Throws a Problem. */
export async function send<T = undefined>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await ask(address(path, {}), {
    method,
    headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 204) return undefined as T;
  if (response.ok) return (await response.json()) as T;
  throw await problem(response);
}

async function ask(to: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(to, request);
  } catch {
    throw new Problem('the server does not answer', 'Is virtscope still running?', 0);
  }
}

export function address(path: string, parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  const text = query.toString();
  return `/api/v1/${path}${text ? `?${text}` : ''}`;
}

async function problem(response: Response): Promise<Problem> {
  try {
    const { detail, hint } = (await response.json()) as { detail: string; hint: string };
    return new Problem(detail, hint, response.status);
  } catch {
    return new Problem(`the server answered with status ${response.status}`, '', response.status);
  }
}
