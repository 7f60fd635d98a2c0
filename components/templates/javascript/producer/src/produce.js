// Appends a reading to a stream, again and again. `append` and `pause` are those of the host, or of a test.
export function produce({ stream, intervalMs, count }, append, pause) {
    for (let number = 0; number < count; number += 1) {
        const reading = new TextEncoder().encode(JSON.stringify({ number, time: Date.now() / 1000 }));
        while (!appended(stream, reading, append)) pause(intervalMs);
        pause(intervalMs);
    }
}

// False while the stream is full.
function appended(stream, reading, append) {
    try {
        append(stream, [reading]);
        return true;
    } catch (error) {
        if (error.payload?.tag === 'full') return false;
        throw error;
    }
}
