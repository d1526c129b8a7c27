// Package emloc is the Go client of an EMLoC mesh: memory-efficient fine-tuning as gRPC services.
//
// A [Client] knows the coordinator's address and asks it for the others. [Client.Finetune] hands in a job and returns a
// [Job], which is watched ([Job.Events]), waited for ([Job.Wait]), cancelled, or found again by its id from any other
// program ([Client.Job]). The stages are usable alone: [Client.Compress] and [Client.Correct] take tensors and give
// tensors, the Start methods begin an [Operation].
//
// Requests are the messages of the contract (the packages under gen), so that nothing stands twice; where the contract
// streams, the client has iterators. Every failure is an [*Error] with code, reason, field, value and mend, also that
// of a call through the generated stubs on [Client.Conn]. Deadlines and cancelling are the context's.
//
// A Client and what it returns may be used by several goroutines at once.
package emloc
