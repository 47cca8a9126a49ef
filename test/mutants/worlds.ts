// Bounds that several hunts share, so that the control explores them once. Each says all that matters, since defaults may change.

/** One candidate at a time, without PreVote and CheckQuorum: far fewer worlds. */
export const FEW = '--candidates 1 --check-quorum false --pre-vote false'

/** Two nodes, a request, a signature, two views: some thousand worlds, where most bugs show. */
export const PAIR = '--nodes 2 --members 2 --views 2 --requests 1 --signatures 1 --candidates 1'

/** Three nodes, where what two agree upon can be lost by the third. */
export const TRIO = `--nodes 3 --members 3 --views 2 --requests 1 --signatures 1 ${FEW}`

/** Two nodes, one of which may be removed, or both but one. */
export const REMOVAL = `--nodes 2 --members 2 --views 2 --reconfigurations 1 --requests 0 --signatures 2 ${FEW}`

/** One node, to which another may be added. */
export const ADDITION = `--nodes 2 --members 1 --views 2 --reconfigurations 1 --requests 0 --signatures 1 ${FEW}`
