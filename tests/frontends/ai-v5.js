// AI SDK 5 as `ai`, with the function that the page needs of 6: there are no approvals in 5.
export * from "ai-v5";
export const lastAssistantMessageIsCompleteWithApprovalResponses = () => false;
