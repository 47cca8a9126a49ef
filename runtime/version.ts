// The version of this software, as `GET /node/version` and service discovery report it. package.json says the same (tested).
export const SOFTWARE_VERSION = '0.1.0'
