//! How requests leave: through the host in a component, and over plain HTTP on the developer's own machine,
//! for tests and the benchmark.

pub(super) use imp::Transport;

#[cfg(target_arch = "wasm32")]
mod imp {
    use aws_sdk_s3::config::Builder;
    use aws_smithy_wasm::wasi::{WasiHttpClientBuilder, WasiSleep};

    /// `wasi:http`, and an executor that waits with `wasi:io`.
    #[derive(Debug)]
    pub(in super::super) struct Transport;

    impl Transport {
        pub(in super::super) fn new() -> Result<Self, String> {
            Ok(Self)
        }

        pub(in super::super) fn configure(&self, config: Builder) -> Builder {
            config
                .http_client(WasiHttpClientBuilder::new().build())
                .sleep_impl(WasiSleep)
        }

        pub(in super::super) fn block_on<F: Future>(&self, future: F) -> F::Output {
            wstd::runtime::block_on(future)
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod imp {
    use aws_sdk_s3::config::Builder;
    use aws_smithy_async::rt::sleep::TokioSleep;
    use tokio::runtime::Runtime;

    /// Sockets without TLS, and a runtime on the caller's thread.
    #[derive(Debug)]
    pub(in super::super) struct Transport(Runtime);

    impl Transport {
        pub(in super::super) fn new() -> Result<Self, String> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(Self).map_err(|error| error.to_string())
        }

        pub(in super::super) fn configure(&self, config: Builder) -> Builder {
            config
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .sleep_impl(TokioSleep::new())
        }

        pub(in super::super) fn block_on<F: Future>(&self, future: F) -> F::Output {
            self.0.block_on(future)
        }
    }
}
