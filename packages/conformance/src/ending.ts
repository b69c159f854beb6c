const works = new Set<() => void>();

function endAll(): void {
  // The newest first: what was made last may use what was made before it.
  for (const work of [...works].reverse()) work();
}

/**
 * Has something done when this process ends, however that comes about short of a signal that ends it: processes are killed, folders removed, mounts undone. One
 * listener does all of it; each of a cluster's servers with one of its own are more than Node takes for a leak.
 * @returns takes it back
 */
export function atEnd(work: () => void): () => void {
  if (works.size === 0) process.once('exit', endAll);
  works.add(work);
  return () => {
    works.delete(work);
    if (works.size === 0) process.removeListener('exit', endAll);
  };
}
