// Posts each batch as JSON lines to a URL. `fetch` goes through the host: it reaches only what is granted.

const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: { url: { type: 'string', description: 'Where the lines are posted.' } },
    required: ['url'],
    additionalProperties: false,
};

let url;

// What is thrown with a payload arrives at the host as the error of the contract.
class ContractError extends Error {
    constructor(payload) {
        super(payload.message ?? payload.val.reason ?? payload.val);
        this.payload = payload;
    }
}

const configError = (field, message) => new ContractError({ field, message });
const failed = (tag, reason, retryAfterMs) => new ContractError({ tag, val: { reason, retryAfterMs } });
const refused = (tag, reason) => new ContractError({ tag, val: reason });

export const exporter = {
    describe() {
        return {
            name: '{{name}}',
            version: '0.1.0',
            summary: 'Posts each batch as JSON lines to a URL.',
            configSchema: JSON.stringify(schema),
            limits: { maxMessages: 100, maxBatchBytes: 1n << 20n, maxMessageBytes: 256n << 10n },
            // Which host it is stands in the configuration of each export.
            wants: { hosts: [], awsServices: [], folders: [], streams: [] },
        };
    },

    open(context, config) {
        const settings = JSON.parse(config);
        for (const key of Object.keys(settings)) {
            if (!(key in schema.properties)) {
                throw configError(key, 'There is no such setting; there is `url`.');
            }
        }
        try {
            url = new URL(settings.url);
        } catch {
            url = undefined;
        }
        if (!['http:', 'https:'].includes(url?.protocol)) {
            throw configError('url', 'Set it to an address such as https://example.com/ingest.');
        }
    },

    async export(batch) {
        const undelivered = [];
        const lines = []; // of the messages that can be sent: the place in the batch, and the line
        for (const [index, message] of batch.entries()) {
            try {
                lines.push({ index, text: line(message) });
            } catch {
                undelivered.push({ index, disposition: 'reject', reason: 'The payload is not text in UTF-8.' });
            }
        }
        if (lines.length > 0 && await send(lines.map(({ text }) => text).join(''))) {
            undelivered.push(...await oneByOne(lines));
        }
        return undelivered;
    },
};

// Finds those that the server refuses. The first failure of another kind ends it: the order is kept.
async function oneByOne(lines) {
    const undelivered = [];
    for (const [sent, { index, text }] of lines.entries()) {
        let refusal;
        try {
            refusal = await send(text);
        } catch (error) {
            if (sent === 0) throw error;
            const waiting = lines.slice(sent);
            return undelivered.concat(waiting.map(({ index }) => (
                { index, disposition: 'retry', reason: error.message })));
        }
        if (refusal) undelivered.push({ index, disposition: 'reject', reason: refusal });
    }
    return undelivered;
}

// Returns why the server refuses the content, or nothing if it has taken it.
async function send(body) {
    let answer;
    try {
        answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body });
        await answer.arrayBuffer(); // To its end, so that the connection can serve the next request.
    } catch (error) {
        // `fetch` does not say why.
        throw failed('unavailable', `No answer from ${url.origin}; it must run, and stand in \`hosts\` of the grants.`);
    }
    const { status } = answer;
    const said = `${url.origin} answers ${status}.`;
    const after = answer.headers.get('retry-after') ?? '';
    const pause = /^\d+$/.test(after) ? BigInt(after) * 1000n : undefined;
    if (status >= 200 && status < 300) return undefined;
    if ([400, 413, 415, 422].includes(status)) return said;
    if ([401, 403, 407].includes(status)) throw refused('denied', said);
    if ([429, 503].includes(status)) throw failed('throttled', said, pause);
    if (status === 408 || status >= 500) throw failed('unavailable', said, pause);
    throw refused('misconfigured', `${said} Check \`url\`.`);
}

function line({ sequenceNumber, ingestTime, payload }) {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    return `${JSON.stringify({ sequenceNumber: Number(sequenceNumber), ingestTime: Number(ingestTime), payload: text })}\n`;
}
