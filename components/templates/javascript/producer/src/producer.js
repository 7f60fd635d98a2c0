// The entry of the component: what the host calls, and what it offers.
import { getArguments } from 'wasi:cli/environment@0.2.12';
import { subscribeDuration } from 'wasi:clocks/monotonic-clock@0.2.12';
import { append } from 'millstream:plugin/streams@{{contract}}';
import { write } from 'millstream:plugin/log@{{contract}}';
import { parse } from './options.js';
import { produce } from './produce.js';

const pause = (milliseconds) => subscribeDuration(BigInt(milliseconds) * 1_000_000n).block();

export const run = {
    run() {
        try {
            produce(parse(getArguments().slice(1)), append, pause);
        } catch (error) {
            // What the host says when it shuts down: a clean end. Any other is a failure, after which the
            // host starts the producer again, as its configuration says.
            if (error.payload?.tag === 'unavailable') return;
            write('error', error.payload ? `No append: ${error.payload.tag}.` : error.message);
            throw { payload: undefined };
        }
    },
};
