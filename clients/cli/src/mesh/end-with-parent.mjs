// Preloaded into each service of a local mesh (`node --import`): a service must not outlive the mesh that started it.
// The system closes the channel between the two however the parent ends. Ask first, as Ctrl-C would; then insist.
const insistMs = 15_000;

if (process.channel) {
  process.on('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), insistMs).unref();
  });
  process.channel.unref();
}
