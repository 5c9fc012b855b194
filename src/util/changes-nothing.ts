/** Whether a request is a read: it changes nothing, so it may be sent again, and its outcome is always `notApplied`. */
export function changesNothing(spec: { readonly method: string; readonly readOnly?: boolean | undefined }): boolean {
  return spec.method === "GET" || spec.readOnly === true;
}
