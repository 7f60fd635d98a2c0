// The arguments of the producer: `--stream NAME [--interval-ms N] [--count N]`.
export function parse(args) {
    const options = { intervalMs: 1000, count: Infinity };
    for (let at = 0; at < args.length; at += 2) {
        const [name, value] = [args[at], args[at + 1]];
        if (name === '--stream' && value) options.stream = value;
        else if (name === '--interval-ms' && /^\d+$/.test(value)) options.intervalMs = Number(value);
        else if (name === '--count' && Number(value) >= 0) options.count = Number(value);
        else throw new Error(`Wrong arguments: ${name} ${value ?? ''}`);
    }
    if (!options.stream) throw new Error('Wrong arguments: --stream NAME is missing.');
    return options;
}
