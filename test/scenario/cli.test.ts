// Goal: `concordat scenario` says what happened in exit code, lines and JSON, and writes traces and diagrams, or says why it cannot.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { concordat, ROOT, temporaryFolder } from '../unit/cli/harness.ts'
import { traceProblems } from './trace-format.ts'

const golden = (name: string): string => join(ROOT, 'test/golden/raft-scenarios', name)
const own = (name: string): string => join(ROOT, 'test/scenario', `${name}.scenario`)

function scenarioFile(text: string, name = 'a'): string {
  const file = join(temporaryFolder(), name)
  writeFileSync(file, text)
  return file
}

const WRONG = '# a comment\nstart_node,0\n\nemit_signature,2\nassert_commit_idx,0,3\n'

describe('concordat scenario', () => {
  it('of files that pass is exit code 0 and a line for each', async () => {
    const { code, stdout, stderr } = await concordat('scenario', golden('replicate'), golden('startup'))
    expect(code).toBe(0)
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual([
      `${golden('replicate')}: ok; 0 Leader 2.7 committed 7, 1 Follower 2.7 committed 7`,
      `${golden('startup')}: ok; 0 Leader 2.3 committed 3`,
      '2 scenarios, 0 failed',
      '',
    ])
  })

  it('of one that fails is exit code 1 and file:line: command: reason', async () => {
    const file = scenarioFile(WRONG)
    const { code, stdout, stderr } = await concordat('scenario', file, golden('startup'))
    expect(code).toBe(1)
    expect(stderr).toBe(`${file}:5: assert_commit_idx,0,3: node 0 has commit index 2, not 3\n`)
    expect(stdout).toContain('2 scenarios, 1 failed')
  })

  it('of a file that cannot be read or parsed is exit code 2, and none is run', async () => {
    for (const [file, reason] of [
      ['/nowhere/a', 'cannot read scenario /nowhere/a: it does not exist'],
      [scenarioFile('start_node,0\nstart\n'), ":2: unknown command 'start'"],
    ] as const) {
      const { code, stdout, stderr } = await concordat('scenario', golden('startup'), file)
      expect(code).toBe(2)
      expect(stdout).toBe('')
      expect(stderr).toContain(reason)
    }
  })

  it('names the line that cannot be parsed', async () => {
    const file = scenarioFile('start_node,0\n# two\n\nreplicate,2,\n')
    const { code, stderr } = await concordat('scenario', file)
    expect(code).toBe(2)
    expect(stderr).toContain(`${file}:4: replicate takes the fields T,text, found 1 field`)
  })

  it('--json prints one object', async () => {
    const file = scenarioFile(WRONG)
    const { code, stdout, stderr } = await concordat('scenario', '--json', golden('startup_2nodes'), file)
    expect(code).toBe(1)
    expect(stderr).toBe('')
    const node = { leadership: 'Leader', membership: 'Active', view: 2, lastIdx: 5, commitIdx: 5 }
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      scenarios: [
        {
          file: golden('startup_2nodes'),
          ok: true,
          nodes: [
            { id: '0', ...node },
            { id: '1', ...node, leadership: 'Follower' },
          ],
          traceEvents: expect.any(Number) as number,
        },
        {
          file,
          ok: false,
          line: 5,
          command: 'assert_commit_idx,0,3',
          reason: 'node 0 has commit index 2, not 3',
          nodes: [{ id: '0', ...node, lastIdx: 2, commitIdx: 2 }],
          traceEvents: 5,
        },
      ],
    })
  })

  it('--print tells every message and every change, and --seed is accepted', async () => {
    const { code, stdout } = await concordat('scenario', '--print', '--seed', '7', golden('startup_2nodes'))
    expect(code).toBe(0)
    const lines = stdout.split('\n')
    expect(lines).toContain('   8 trust_node,2,1')
    expect(lines).toContain('       0 -> 1: append_entries (2.2, 2.2] view 2 commit 2')
    expect(lines).toContain('       1 -> 0: NACK 2.0')
    expect(lines).toContain('       1: Follower Active view 2 last 2.4 commit 2')
    expect((await concordat('scenario', '--print', '--json', golden('startup'))).code).toBe(2)
  })

  it('--mermaid draws it', async () => {
    const diagram = join(temporaryFolder(), 'a.mmd')
    expect((await concordat('scenario', '--mermaid', diagram, golden('bad_network'))).code).toBe(0)
    const lines = readFileSync(diagram, 'utf8').split('\n')
    expect(lines.slice(0, 2)).toEqual(['sequenceDiagram', '  participant n0 as 0'])
    expect(lines).toContain('  n0->>n1: append_entries (2.2, 2.2] view 2 commit 2')
    expect(lines.some((line) => /^ {2}n0-xn2: append_entries .*\(dropped\)$/.test(line))).toBe(true)
    expect(lines.some((line) => line.startsWith('  Note over n2: Candidate Active view 3'))).toBe(true)
    expect(
      lines.filter((line) => !/^( {2}(%%|n\d(->>|-x)n\d:|Note over n\d:|participant) .*|sequenceDiagram|)$/.test(line)),
    ).toEqual([])
  })

  it('--help lists all commands, ours too', async () => {
    const { code, stdout } = await concordat('scenario', '--help')
    expect(code).toBe(0)
    for (const usage of [
      'swap_nodes,T,in,A,..,out,X,..',
      'assert_!detail,A,key,value',
      'duplicate_nth,A,B,k',
      'deliver_nth,A,B,k',
      'crash,A',
    ]) {
      expect(stdout).toContain(`\n  ${usage}\n`)
    }
  })
})

describe('--trace', () => {
  it('writes one file, or one for each scenario into a directory', async () => {
    const folder = temporaryFolder()
    expect((await concordat('scenario', '--trace', join(folder, 'one'), golden('election'))).code).toBe(0)
    expect(traceProblems(readFileSync(join(folder, 'one'), 'utf8'))).toEqual([])
    expect((await concordat('scenario', '--trace', folder, golden('election'), golden('append'))).code).toBe(0)
    expect(readFileSync(join(folder, 'election.ndjson'), 'utf8')).toBe(readFileSync(join(folder, 'one'), 'utf8'))
    expect(traceProblems(readFileSync(join(folder, 'append.ndjson'), 'utf8'))).toEqual([])
  })

  it('is what trace-format.md shows for the smallest scenario', async () => {
    const file = join(temporaryFolder(), 'trace')
    await concordat('scenario', '--trace', file, golden('startup'))
    const events = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    const before = { node_id: '0', pre_vote_enabled: false, leadership_state: 'Leader', membership_state: 'Active' }
    expect(events).toMatchObject([
      { tag: 'raft_trace', msg: { function: 'bootstrap', state: { node_id: '0', pre_vote_enabled: false } } },
      {
        tag: 'raft_trace',
        cmd_prefix: '',
        msg: {
          function: 'replicate',
          state: { ...before, commit_idx: 2, committable_indices: [], last_idx: 2 },
          globally_committable: true,
        },
      },
      {
        tag: 'raft_trace',
        msg: {
          function: 'commit',
          state: { ...before, commit_idx: 2, committable_indices: [3], last_idx: 3 },
          args: { idx: 3 },
        },
      },
    ])
  })

  it('names the command of a retired_committed entry, and writes every loss', async () => {
    const file = join(temporaryFolder(), 'trace')
    await concordat('scenario', '--trace', file, golden('retire_one'))
    const retired = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"cmd_prefix":"cleanup_nodes"'))
    expect(retired).toHaveLength(1)
    expect(retired[0]).toContain('"function":"replicate"')
    const reconnect = join(temporaryFolder(), 'trace')
    const { stdout } = await concordat('scenario', '--print', '--trace', reconnect, golden('bad_network'))
    const lost = stdout.split('\n').filter((line) => line.includes(' -x '))
    const dropped = readFileSync(reconnect, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"drop_pending_to"'))
    expect(lost.length).toBeGreaterThan(10)
    expect(dropped).toHaveLength(lost.length)
  })

  it.each([
    ['more than five nodes', own('b1_union_quorum'), 'it has 6 nodes, and the specification at most 5'],
    ['ids that are not dense', 'start_node,0\nemit_signature,2\ntrust_node,2,2\nemit_signature,2', 'there is a node 2'],
    ['ids that do not begin at 0', 'start_node,1\nemit_signature,2', 'there is a node 1'],
    ['an entry before the first signature', 'start_node,0\nreplicate,2,a\nemit_signature,2', 'begin with start_node'],
    ['another beginning', 'nodes,0,1\nconnect,0,1\nperiodic_one,0,100\ndispatch_all', 'begin with start_node'],
  ])('is refused for %s', async (_, scenario, reason) => {
    const trace = join(temporaryFolder(), 'trace')
    const file = existsSync(scenario) ? scenario : scenarioFile(scenario)
    const { code, stderr } = await concordat('scenario', '--trace', trace, file)
    expect(stderr).toContain(`${file} cannot be traced: `)
    expect(stderr).toContain(reason)
    expect(code).toBe(2)
    expect(existsSync(trace)).toBe(false)
  })

  it('is not what a failed scenario is blamed for', async () => {
    const trace = join(temporaryFolder(), 'trace')
    const { code, stderr } = await concordat(
      'scenario',
      '--trace',
      trace,
      scenarioFile('start_node,0\nassert_commit_idx,0,1'),
    )
    expect(code).toBe(1)
    expect(stderr).toContain('node 0 has commit index 0, not 1')
  })
})

describe('the validator of traces', () => {
  const valid = async (): Promise<string[]> => {
    const file = join(temporaryFolder(), 'trace')
    await concordat('scenario', '--trace', file, golden('bad_network'))
    return readFileSync(file, 'utf8').trimEnd().split('\n')
  }

  it.each([
    ['tag', (line: string) => line.replace('raft_trace', 'raft')],
    ['function', (line: string) => line.replace('"recv_append_entries"', '"recv_append"')],
    ['state.commit_idx', (line: string) => line.replace(/"commit_idx":\d+/, '"commit_idx":"2"')],
    ['state.membership_state', (line: string) => line.replace('"Active"', '"RetirementOrdered"')],
    [
      'state.committable_indices',
      (line: string) => line.replace(/"committable_indices":\[[^\]]*\]/, '"committable_indices":[9,4]'),
    ],
    ['packet.prev_idx', (line: string) => line.replace('"prev_idx"', '"prevIdx"')],
    ['packet.success', (line: string) => line.replace(/"success":"\w+"/, '"success":true')],
    ['from_node_id', (line: string) => line.replace('"from_node_id":"1"', '"from_node_id":"n1"')],
    ['h_ts', (line: string) => line.replace(/"h_ts":\d+/, '"h_ts":1')],
  ])('finds a wrong %s', async (field, spoil) => {
    const lines = await valid()
    expect(traceProblems(lines.join('\n'))).toEqual([])
    const at = lines.findIndex(
      (line, i) =>
        i > 0 &&
        spoil(line) !== line &&
        traceProblems([lines[0]!, spoil(line)].join('\n')).some((problem) => problem.includes(field)),
    )
    expect(at).toBeGreaterThan(0)
    lines[at] = spoil(lines[at]!)
    expect(traceProblems(lines.join('\n')).join()).toContain(`line ${at + 1}: `)
  })

  it('finds servers that are not numbered densely', async () => {
    const lines = (await valid()).map((line) => line.replaceAll('"node_id":"1"', '"node_id":"4"'))
    expect(traceProblems(lines.join('\n')).join()).toContain('servers are not numbered from 0')
  })
})
