// The constitution a new service starts with: what members may propose and when a proposal passes (CCF facts §9.5–9.7).
// Executed in the script sandbox, never by the node itself; members replace it by proposing `set_constitution`.
// The rule to remember: a proposal is accepted when more than half of the ACTIVE members voted for it, and it is never
// rejected by vote. It has the actions this version can carry out; unknown ones make a proposal invalid.

/** JavaScript module with `validate`, `resolve` and `apply`, as CCF's interpreter calls them. */
export const DEFAULT_CONSTITUTION = `// Constitution of a Concordat service: majority of active members.

const GOV = 'public:ccf.gov.'
const SINGLE = new ArrayBuffer(8)

const table = (name) => ccf.kv[GOV + name]
const text = (value) => ccf.strToBuf(value)
const json = (value) => ccf.jsonCompatibleToBuf(value)
const fromJson = (buffer) => ccf.bufToJsonCompatible(buffer)
const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

// Argument checks. Each throws with the name of the argument, never with its value.
function need(condition, what) {
  if (!condition) throw new Error(what)
}
const string = (value, name) => need(typeof value === 'string' && value.length > 0, name + ' must be a text')
const record = (value, name) => need(isRecord(value), name + ' must be an object')
const optional = (check) => (value, name) => value === undefined || check(value, name)
const pem = (value, name) => {
  string(value, name)
  need(value.startsWith('-----BEGIN '), name + ' must be in PEM')
}
const hexId = (value, name) => need(typeof value === 'string' && /^[0-9a-f]{64}$/.test(value), name + ' must be an id')
const oneOf = (...choices) => (value, name) => need(choices.includes(value), name + ' must be one of ' + choices)
const integer = (least, most) => (value, name) =>
  need(Number.isInteger(value) && value >= least && value <= most, name + ' must be ' + least + ' to ' + most)

function change(name, key, update) {
  const before = table(name).get(key)
  need(before !== undefined, 'no such row in ' + name)
  table(name).set(key, json(update(fromJson(before))))
}

function activeMembers() {
  let count = 0
  table('members.info').forEach((value) => {
    if (fromJson(value).status === 'Active') count++
  })
  return count
}

const isShareHolder = (id) =>
  table('members.encryption_public_keys').has(text(id)) && fromJson(table('members.info').get(text(id))).status === 'Active'

function shareHolders() {
  let count = 0
  table('members.info').forEach((_value, key) => {
    if (isShareHolder(ccf.bufToStr(key))) count++
  })
  return count
}

function dropOtherProposals(proposalId) {
  const proposals = table('proposals_info')
  const open = []
  proposals.forEach((value, key) => {
    const info = fromJson(value)
    if (info.state === 'Open' && ccf.bufToStr(key) !== proposalId) open.push([key, info])
  })
  for (const [key, info] of open) proposals.set(key, json({ ...info, state: 'Dropped' }))
}

// name: [argument checks, what it does]
const actions = {
  set_constitution: [
    { constitution: (value, name) => (string(value, name), ccf.gov.validateConstitution(value)) },
    ({ constitution }, proposalId) => {
      table('constitution').set(SINGLE, json(constitution))
      dropOtherProposals(proposalId)
    },
  ],
  set_member: [
    {
      cert: pem,
      encryption_pub_key: optional(pem),
      member_data: optional(record),
      recovery_role: optional(oneOf('NonParticipant', 'Participant', 'Owner')),
    },
    ({ cert, encryption_pub_key, member_data, recovery_role }) => {
      const key = text(ccf.pemToId(cert))
      const known = table('members.info').get(key)
      table('members.certs').set(key, text(cert))
      if (encryption_pub_key === undefined) table('members.encryption_public_keys').delete(key)
      else table('members.encryption_public_keys').set(key, text(encryption_pub_key))
      const status = known === undefined ? 'Accepted' : fromJson(known).status
      table('members.info').set(key, json({ member_data, recovery_role, status }))
      if (known === undefined) table('members.acks').set(key, json({ state_digest: '' }))
    },
  ],
  remove_member: [
    { member_id: hexId },
    ({ member_id }) => {
      const key = text(member_id)
      if (!table('members.info').has(key)) return
      const held = isShareHolder(member_id)
      const threshold = fromJson(table('service.config').get(SINGLE)).recovery_threshold
      need(!held || shareHolders() > threshold, 'too few recovery members would remain')
      for (const name of ['members.certs', 'members.encryption_public_keys', 'members.info', 'members.acks'])
        table(name).delete(key)
      if (held) ccf.node.triggerLedgerRekey()
    },
  ],
  set_member_data: [
    { member_id: hexId, member_data: record },
    ({ member_id, member_data }) => change('members.info', text(member_id), (info) => ({ ...info, member_data })),
  ],
  set_user: [
    { cert: pem, user_data: optional(record) },
    ({ cert, user_data }) => {
      const key = text(ccf.pemToId(cert))
      table('users.certs').set(key, text(cert))
      if (user_data === undefined) table('users.info').delete(key)
      else table('users.info').set(key, json({ user_data }))
    },
  ],
  remove_user: [
    { user_id: hexId },
    ({ user_id }) => {
      table('users.certs').delete(text(user_id))
      table('users.info').delete(text(user_id))
    },
  ],
  set_user_data: [
    { user_id: hexId, user_data: record },
    ({ user_id, user_data }) => {
      need(table('users.certs').has(text(user_id)), 'no such user')
      table('users.info').set(text(user_id), json({ user_data }))
    },
  ],
  set_node_data: [
    { node_id: hexId, node_data: record },
    ({ node_id, node_data }) => change('nodes.info', text(node_id), (info) => ({ ...info, node_data })),
  ],
  set_recovery_threshold: [
    { recovery_threshold: integer(1, 254) },
    ({ recovery_threshold }) => {
      need(recovery_threshold <= shareHolders(), 'fewer recovery members than the threshold')
      change('service.config', SINGLE, (config) => ({ ...config, recovery_threshold }))
      ccf.node.triggerRecoverySharesRefresh()
    },
  ],
  transition_service_to_open: [
    { next_service_identity: pem, previous_service_identity: optional(pem) },
    ({ next_service_identity, previous_service_identity }) =>
      previous_service_identity === undefined
        ? ccf.node.transitionServiceToOpen(undefined, text(next_service_identity))
        : ccf.node.transitionServiceToOpen(text(previous_service_identity), text(next_service_identity)),
  ],
  trigger_ledger_chunk: [{}, () => ccf.node.triggerLedgerChunk()],
  trigger_ledger_rekey: [{}, () => ccf.node.triggerLedgerRekey()],
  trigger_recovery_shares_refresh: [{}, () => ccf.node.triggerRecoverySharesRefresh()],
  trigger_snapshot: [{}, () => ccf.node.triggerSnapshot()],
}

function checkAction(action) {
  need(isRecord(action), 'must be an object')
  need(Object.hasOwn(actions, action.name), 'no such action')
  const [checks] = actions[action.name]
  const args = action.args ?? {}
  need(isRecord(args), 'args must be an object')
  for (const name of Object.keys(args)) need(Object.hasOwn(checks, name), 'unknown argument')
  for (const [name, check] of Object.entries(checks)) check(args[name], name)
}

export function validate(input) {
  let proposal
  try {
    proposal = JSON.parse(input)
  } catch {
    return { valid: false, description: 'the proposal is not JSON' }
  }
  if (!isRecord(proposal) || !Array.isArray(proposal.actions) || proposal.actions.length === 0)
    return { valid: false, description: 'the proposal has no list of actions' }
  const faults = []
  proposal.actions.forEach((action, i) => {
    try {
      checkAction(action)
    } catch (fault) {
      faults.push('action ' + i + ': ' + fault.message)
    }
  })
  return { valid: faults.length === 0, description: faults.join('; ') }
}

export function resolve(proposal, proposerId, votes) {
  let yes = 0
  for (const { member_id, vote } of votes) {
    const info = table('members.info').get(text(member_id))
    if (vote && info !== undefined && fromJson(info).status === 'Active') yes++
  }
  return yes > Math.floor(activeMembers() / 2) ? 'Accepted' : 'Open'
}

export function apply(proposal, proposalId) {
  for (const { name, args } of JSON.parse(proposal).actions) actions[name][1](args ?? {}, proposalId)
}
`
